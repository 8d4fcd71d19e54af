"""The base of batch transforms."""

from abc import ABC, abstractmethod

import torch

from lightning_modules.training_batch import TrainingBatch


class BatchTransform(ABC):
    """Transforms a training batch on its device; several are applied in the order of their list.

    Every target is transformed with the images, according to its type.
    """

    keeps_targets: bool = False
    """Whether every target stays as it is, so that views of one batch can be compared pixel by pixel."""
    mixes_images: bool = False
    """Whether an image gets something of another one of its batch, so that a batch of one image stays as it is."""

    @abstractmethod
    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """The transformed batch; `batch` itself must not be modified, since a step may use it twice.

        Args:
            batch: the result of the previous transforms.
            generator: on the CPU, for all random draws; seeded by seed, step, process and index in the list.
        """
