"""What every batch transform is."""

from abc import ABC, abstractmethod

import torch

from lightning_modules.training_batch import TrainingBatch


class BatchTransform(ABC):
    """Changes a training batch on its device; those of a training are applied in the order of their list.

    Every target moves along with the images, by its kind.
    """

    @abstractmethod
    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Another batch; the one that is given stays as it is, since a step may take it twice.

        Args:
            batch: as the transforms before this one left it.
            generator: on the CPU, all that is drawn comes from it; seeded by seed, step, process and place in the list.
        """
