"""The base of objectives."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.training_batch import TrainingBatch


class StepContext(NamedTuple):
    """Context of a training step for an objective.

    Args:
        step: number of earlier batches of this process, over all epochs.
        generator: on the CPU, for random draws of the objective; seeded by seed, step and process.
        mask_loss: the chosen loss of logits (B, K, H, W) against a mask (B, H, W), a scalar.
        num_classes: K.
        updates: number of earlier steps of the optimiser, each of which may take several batches, or several passes over one.
    """

    step: int
    generator: torch.Generator
    mask_loss: Callable[[Tensor, Tensor], Tensor]
    num_classes: int
    updates: int = 0


class ObjectiveLoss(NamedTuple):
    """The scalar loss that training minimises, and values without gradients to be logged, by name."""

    loss: Tensor
    logged: Mapping[str, Tensor]


class Objective(nn.Module, ABC):
    """Maps a network and a training batch to a loss.

    It may run the network several times, on several views of the batch, and compute gradients within; one around
    another is an `outer.OuterObjective`. Its parameters are trained with the
    network's, and its buffers are stored in checkpoints.
    """

    def begin(self, network: nn.Module) -> None:
        """Set up for a network, once, when the module is constructed; parameters that depend on it are created here.

        Raises:
            UserError: the network is not suitable.
        """

    @property
    def passes(self) -> int:
        """Forward and backward passes of a batch in a step: what the step costs, relative to supervised training."""
        return 1

    @property
    def tasks(self) -> Sequence[str]:
        """The further tasks of the network that enter the loss."""
        return ()

    @property
    def transforms(self) -> Sequence[BatchTransform]:
        """The batch transforms by which it makes views of the batch."""
        return ()

    @property
    def logged(self) -> Sequence[str]:
        """Names of the logged values."""
        return ()

    def get_training_state(self) -> dict[str, Any]:
        """What only a training that is resumed needs, beside parameters and buffers: plain data and tensors.

        It is asked of every objective, those within others included, so that these need not forward it.
        """
        return {}

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_training_state` gave, before the first step.

        Raises:
            UserError: it is of another form.
        """

    @abstractmethod
    def forward(self, network: nn.Module, batch: TrainingBatch, context: StepContext) -> ObjectiveLoss:
        """The loss of the network on a batch; see `networks.network` for the outputs of a network."""


def collect_training_states(objective: Objective) -> dict[str, dict[str, Any]]:
    """The training states of an objective and of those within it, by their places, where there are any."""
    states = {name: one.get_training_state() for name, one in objective.named_modules() if isinstance(one, Objective)}
    return {name: state for name, state in states.items() if state}


def restore_training_states(objective: Objective, states: Any) -> None:
    """Restore what `collect_training_states` gave; objectives that are not mentioned begin anew.

    Raises:
        UserError: a state is of another form.
    """
    for name, one in objective.named_modules():
        state = states.get(name) if isinstance(states, Mapping) else None
        if isinstance(one, Objective) and isinstance(state, Mapping):
            one.set_training_state(state)


def average_over_members(outputs: Sequence[Tensor], criterion: Callable[[Tensor], Tensor]) -> Tensor:
    """The mean of the losses of a network's members, in single precision.

    Members that are trained through their mean would compensate for each other instead of each solving the task.

    Args:
        outputs: (B, ...) of each member.
        criterion: an output to a scalar.
    """
    return torch.stack(
        [criterion(output.float()) for output in outputs]
    ).mean()  # sums of a loss would be rounded in 16 bits
