"""What every weighting of tasks is."""

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn


class Weighting(nn.Module):
    """Makes one scalar of the losses of several tasks; segmentation is the first of them."""

    def begin(self, names: Sequence[str], regression: Sequence[bool]) -> None:
        """Learn of the tasks, once, before training.

        Args:
            names: of the tasks.
            regression: whether each is one, rather than a classification.

        Raises:
            UserError: they do not fit the settings.
        """

    @abstractmethod
    def forward(self, losses: Tensor, shared: nn.Parameter | None) -> Tensor:
        """Losses (T,) to a scalar; `shared` is the last parameter that all tasks depend on, if there is one."""

    @property
    @abstractmethod
    def weights(self) -> Tensor:
        """What each loss weighs now, (T,), without a gradient."""
