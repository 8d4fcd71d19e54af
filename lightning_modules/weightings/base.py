"""The base of weightings of tasks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn


class Weighting(nn.Module, ABC):
    """Combines the losses of several tasks into one scalar; segmentation is the first task."""

    def begin(self, names: Sequence[str], regression: Sequence[bool]) -> None:
        """Set up for the tasks, once, before training.

        Args:
            names: names of the tasks.
            regression: whether each task is a regression rather than a classification.

        Raises:
            UserError: the settings do not fit the tasks.
        """

    @abstractmethod
    def forward(self, losses: Tensor, shared: nn.Parameter | None) -> Tensor:
        """Losses (T,) to a scalar; `shared` is the last parameter that all tasks depend on, if there is one."""

    @property
    @abstractmethod
    def weights(self) -> Tensor:
        """The current weight of each loss, (T,), without a gradient."""
