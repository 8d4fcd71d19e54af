"""The base of objectives around another one."""

from collections.abc import Sequence

from torch import nn

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.objectives.base import Objective
from lightning_modules.objectives.supervised import Supervised


class OuterObjective(Objective):
    """An objective that calls another one: it sets that up, trains its tasks, logs its values and costs its passes.

    A subclass adds its own to what `logged` and `passes` say.

    Args:
        inner: the other objective; the loss of the segmentation against the masks if null.
    """

    def __init__(self, inner: Objective | None = None) -> None:
        super().__init__()
        self.inner = inner or Supervised()

    def begin(self, network: nn.Module) -> None:
        """Set up the inner objective.

        Raises:
            UserError: the network is not suitable.
        """
        self.inner.begin(network)

    @property
    def passes(self) -> int:
        """Those of the inner objective."""
        return self.inner.passes

    @property
    def tasks(self) -> Sequence[str]:
        """Those of the inner objective."""
        return self.inner.tasks

    @property
    def transforms(self) -> Sequence[BatchTransform]:
        """Those of the inner objective."""
        return self.inner.transforms

    @property
    def logged(self) -> Sequence[str]:
        """What the inner objective logs."""
        return self.inner.logged
