"""What every objective is."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_modules.training_batch import TrainingBatch


class StepContext(NamedTuple):
    """What an objective needs of the training beside network and batch.

    Args:
        step: batches that this process took before, in all epochs.
        generator: on the CPU, for all that the objective draws; seeded by seed, step and process.
        mask_loss: the chosen loss of logits (B, K, H, W) against a mask (B, H, W), a scalar.
        num_classes: K.
    """

    step: int
    generator: torch.Generator
    mask_loss: Callable[[Tensor, Tensor], Tensor]
    num_classes: int


class ObjectiveLoss(NamedTuple):
    """What training minimises, a scalar, and values without a gradient to be logged by name."""

    loss: Tensor
    logged: Mapping[str, Tensor]


class Objective(nn.Module):
    """From a network and a training batch to a loss.

    It may run the network several times, on several views of the batch, and take gradients within; an objective that
    takes another one as an argument calls it, and passes on its `begin`, `tasks` and `logged`. Its parameters are learned
    with the network's, its buffers are kept by checkpoints.
    """

    def begin(self, network: nn.Module) -> None:
        """Learn of the network, once, when the module is made; parameters that depend on it are made here.

        Raises:
            UserError: the network does not fit.
        """

    @property
    def tasks(self) -> Sequence[str]:
        """The further tasks of the network that have a part in the loss."""
        return ()

    @property
    def logged(self) -> Sequence[str]:
        """The names of the values that it logs."""
        return ()

    @abstractmethod
    def forward(self, network: nn.Module, batch: TrainingBatch, context: StepContext) -> ObjectiveLoss:
        """The loss of the network on a batch; see `networks.network` for what a network answers."""


def average_over_members(outputs: Sequence[Tensor], criterion: Callable[[Tensor], Tensor]) -> Tensor:
    """The mean of the losses of a network's members, in single precision.

    Members that were trained through their mean would make up for each other instead of each solving the task.

    Args:
        outputs: (B, ...) of each member.
        criterion: an output to a scalar.
    """
    return torch.stack([criterion(output.float()) for output in outputs]).mean()  # 16 bits would round a loss's sums
