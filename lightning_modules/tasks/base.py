"""What every task beside segmentation is: its target, its loss, and the integers that its scores follow from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from user_error import UserError


class Task(ABC):
    """A task; a subclass is a frozen dataclass of its settings.

    Targets are NaN where nothing is known, and count there in no loss and no score.
    """

    name: ClassVar[str]
    """snake_case, as the network's heads, the records and `tasks.scores` call it."""

    dense: ClassVar[bool] = True
    """Whether it says something of each pixel, from the decoder's features, or of the whole image, from the encoder's."""

    regression: ClassVar[bool] = False
    """Whether its loss is a squared or absolute error, as Kendall et al. tell them apart."""

    of_mask: ClassVar[bool] = True
    """Whether its target follows from the mask, and so moves with it under a geometric corruption."""

    @abstractmethod
    def count_channels(self, num_classes: int, in_channels: int) -> int:
        """F, the channels of its output."""

    @abstractmethod
    def make_target(self, batch: Mapping[str, Any], num_classes: int) -> Tensor:
        """What is to be learned of a batch of the contract, float (B, F or 1, H, W) or (B, F).

        Raises:
            UserError: the data do not have it.
        """

    @abstractmethod
    def compute_loss(self, output: Tensor, target: Tensor) -> Tensor:
        """A scalar; 0 where nothing is known."""

    @abstractmethod
    def compute_counts(self, output: Tensor, target: Tensor) -> Tensor:
        """Integers of each image, int64 (B, S), that add up over images; under the name ``task_NAME``."""


def average_known(errors: Tensor, target: Tensor) -> Tensor:
    """The mean of `errors` where `target` is known, 0 where it is nowhere; both of one shape."""
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
