"""The base of tasks beside segmentation: target, loss, and the integer counts from which scores are computed."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from user_error import UserError


class Task(ABC):
    """A task; a subclass is a frozen dataclass of its settings.

    Targets are NaN where they are unknown, and are ignored there by losses and scores.
    """

    name: ClassVar[str]
    """Name in snake_case, as in the network's heads, in records and in `tasks.scores`."""

    dense: ClassVar[bool] = True
    """Whether it predicts each pixel, from the decoder's features, or the complete image, from the encoder's."""

    regression: ClassVar[bool] = False
    """Whether its loss is a squared or absolute error, in the distinction of Kendall et al."""

    of_mask: ClassVar[bool] = True
    """Whether its target is computed from the mask, and thus moves with it under a geometric corruption."""

    @abstractmethod
    def count_channels(self, num_classes: int, in_channels: int) -> int:
        """F, the number of channels of its output."""

    @abstractmethod
    def make_target(self, batch: Mapping[str, Any], num_classes: int) -> Tensor:
        """The target of a batch, float (B, F or 1, H, W) or (B, F).

        Raises:
            UserError: the data lack it.
        """

    @abstractmethod
    def compute_loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss, a scalar; 0 where no target is known."""

    @abstractmethod
    def compute_counts(self, output: Tensor, target: Tensor) -> Tensor:
        """Counts of each image, int64 (B, S), which are additive over images; in records under ``task_NAME``."""


def average_known(errors: Tensor, target: Tensor) -> Tensor:
    """The mean of `errors` where `target` is known; 0 if it is known nowhere. Both have the same shape."""
    known = target.isfinite()
    return errors.where(known, 0).sum() / known.sum().clamp(min=1)


def get_target(batch: Mapping[str, Any], key: str, task: str) -> Tensor:
    """A named target of the batch.

    Raises:
        UserError: the data do not have it.
    """
    if key not in batch:
        known = ", ".join(sorted(name for name, value in batch.items() if isinstance(value, Tensor)))
        raise UserError(f"the task {task!r} needs a target {key!r}, but the data have only {known}: leave the task out")
    return batch[key]


def mark_unknown(target: Tensor, hidden: Tensor) -> Tensor:
    """`target` (B, ...) with NaN for the images where `hidden` (B,) is true."""
    return target.masked_fill(hidden.view(-1, *(1,) * (target.ndim - 1)), torch.nan)
