"""What makes a view in tests of consistency: noise, which leaves the targets as they are."""

from dataclasses import replace

import torch

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.images import to_unit_range
from lightning_modules.training_batch import TrainingBatch


class ShownNoise(BatchTransform):
    """Gaussian noise of one strength, clipped to [0, 1]."""

    keeps_targets = True

    def __init__(self, strength: float = 0.1) -> None:
        self.strength = strength

    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Other images, and the same targets."""
        noise = torch.randn(batch.image.shape, generator=generator).to(batch.image.device)
        return replace(batch, image=(to_unit_range(batch.image) + self.strength * noise).clamp(0, 1))
