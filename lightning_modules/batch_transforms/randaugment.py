"""RandAugment: several operations of one magnitude, drawn for each image; targets move along."""

from dataclasses import replace

import torch

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.operations.drawn import apply_to_batch, draw_operations
from lightning_modules.batch_transforms.operations.spaces import LEVELS, MOST_OPERATIONS, RANDAUGMENT
from lightning_modules.images import to_unit_range
from lightning_modules.settings import require_count
from lightning_modules.training_batch import TrainingBatch
from user_error import UserError


class RandAugment(BatchTransform):
    """RandAugment (Cubuk et al., "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space", 2020).

    Each image gets its own operations, uniformly drawn from 14 with repetition; the sign of those that have one is drawn too.
    Targets of pixels move under rotations, shears and translations, and are unknown where nothing of the image lies.

    Args:
        number: of operations one after the other, at most 100.
        magnitude: of every operation, from 0 to 30, as torchvision counts it.

    Raises:
        UserError: the number or the magnitude is out of range.
    """

    def __init__(self, number: int = 2, magnitude: float = 9.0) -> None:
        require_count("number of operations of RandAugment", number, MOST_OPERATIONS, "such as 2")
        if not 0 <= magnitude <= LEVELS:
            raise UserError(f"the magnitude of RandAugment is {magnitude}: give a number from 0 to {LEVELS}")
        self.number = number
        self.magnitude = magnitude

    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Images as floats in [0, 1] after their operations, with the targets moved."""
        magnitudes = torch.full((len(RANDAUGMENT), self.number, len(batch.image)), self.magnitude / LEVELS)
        drawn = draw_operations(RANDAUGMENT, magnitudes, generator)
        found = replace(batch, image=to_unit_range(batch.image))
        for one in drawn.split():
            found = apply_to_batch(found, RANDAUGMENT, one)
        return found
