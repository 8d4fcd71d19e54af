"""TrivialAugment: one operation of a drawn magnitude for each image; targets move along."""

from dataclasses import replace

import torch

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.operations.drawn import apply_to_batch, draw_operations
from lightning_modules.batch_transforms.operations.spaces import LEVELS, TRIVIAL_AUGMENT
from lightning_modules.images import to_unit_range
from lightning_modules.training_batch import TrainingBatch


class TrivialAugment(BatchTransform):
    """TrivialAugment (Müller & Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", ICCV 2021).

    Each image gets one operation of 14, of one of 31 magnitudes, both uniformly drawn, in the wide ranges of the paper: for
    example rotations of up to 135 degrees. There is nothing to tune. Targets of pixels move under rotations, shears and
    translations, and are unknown where nothing of the image lies.
    """

    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Images as floats in [0, 1] after their operation, with the targets moved."""
        magnitude = torch.randint(LEVELS + 1, (len(batch.image),), generator=generator) / LEVELS
        drawn = draw_operations(TRIVIAL_AUGMENT, magnitude.expand(len(TRIVIAL_AUGMENT), -1), generator)
        return apply_to_batch(replace(batch, image=to_unit_range(batch.image)), TRIVIAL_AUGMENT, drawn)
