"""Multi-task learning: further tasks beside the segmentation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.networks.network import SEGMENTATION, as_network
from lightning_modules.objectives.base import Objective, ObjectiveLoss, StepContext, average_over_members
from lightning_modules.tasks.base import Task
from lightning_modules.training_batch import MASK, TrainingBatch
from lightning_modules.weightings.base import Weighting
from lightning_modules.weightings.fixed import FixedWeights
from user_error import UserError

Criterion = Callable[[Tensor, Mapping[str, Any]], Tensor]
"""An output of a task and targets by name to a scalar."""


class MultiTask(Objective):
    """The losses of the segmentation and of a network's further tasks, weighted.

    Args:
        weighting: how the losses of the tasks are combined; their sum if null.
    """

    def __init__(self, weighting: Weighting | None = None) -> None:
        super().__init__()
        self.weighting = weighting or FixedWeights()
        self.names = [SEGMENTATION]

    def begin(self, network: nn.Module) -> None:
        """Set up the weighting of the tasks.

        Raises:
            UserError: the network has no further tasks, or the weighting does not fit them.
        """
        tasks = as_network(network).tasks
        if not tasks:
            raise UserError(
                f"{type(network).__name__} has no further tasks: take network/unet_multi_task.yaml, or leave out the "
                "objective of several tasks"
            )
        self.names = [SEGMENTATION, *tasks]
        self.weighting.begin(self.names, [False, *(task.regression for task in tasks.values())])

    @property
    def tasks(self) -> Sequence[str]:
        """All further tasks of the network."""
        return self.names[1:]

    @property
    def logged(self) -> Sequence[str]:
        """Loss and weight of each task."""
        return [f"{kind}/{name}" for kind in ("train", "weight") for name in self.names]

    def forward(self, network: nn.Module, batch: TrainingBatch, context: StepContext) -> ObjectiveLoss:
        """See `Objective`."""
        answering = as_network(network)
        outputs = answering.compute_training_outputs(batch.image)
        criteria: dict[str, Criterion] = {
            SEGMENTATION: lambda logits, targets: context.mask_loss(logits, targets[MASK]),
            **{name: _make_criterion(task, context.num_classes) for name, task in answering.tasks.items()},
        }
        losses = [_compute_mean_loss(outputs[name], batch, criteria[name]) for name in self.names]
        total = self.weighting(torch.stack(losses), answering.shared)
        logged = {f"train/{name}": loss.detach() for name, loss in zip(self.names, losses, strict=True)}
        weights = zip(self.names, self.weighting.weights, strict=True)
        return ObjectiveLoss(total, logged | {f"weight/{name}": weight for name, weight in weights})


def _make_criterion(task: Task, num_classes: int) -> Criterion:
    return lambda output, targets: task.compute_loss(output, task.make_target(targets, num_classes))


def _compute_mean_loss(outputs: Sequence[Tensor], batch: TrainingBatch, criterion: Criterion) -> Tensor:
    return average_over_members(
        outputs, lambda output: batch.compute_mean_loss(lambda targets: criterion(output, targets))
    )
