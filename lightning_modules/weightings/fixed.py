"""Fixed weights."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lightning_modules.settings import require_amount
from lightning_modules.weightings.base import Weighting
from user_error import UserError


class FixedWeights(Weighting):
    """The sum of the losses, each times a number.

    Args:
        tasks: weight of each task by name; 1 by default. The name of the segmentation is ``segmentation``.

    Raises:
        UserError: a weight is negative, or, when training begins, a task does not exist.
    """

    _weights: Tensor

    def __init__(self, tasks: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self.tasks = dict(tasks or {})
        for name, value in self.tasks.items():
            require_amount(f"weight of the task {name!r}", value)

    def begin(self, names: Sequence[str], regression: Sequence[bool]) -> None:
        """See `Weighting`."""
        unknown = next((name for name in self.tasks if name not in names), None)
        if unknown is not None:
            raise UserError(f"a weight is given for {unknown!r}, but the tasks are {', '.join(names)}: remove it")
        self.register_buffer("_weights", torch.tensor([float(self.tasks.get(name, 1.0)) for name in names]))

    def forward(self, losses: Tensor, shared: nn.Parameter | None) -> Tensor:
        """Losses (T,) to a scalar."""
        return (losses * self._weights).sum()

    @property
    def weights(self) -> Tensor:
        """(T,)."""
        return self._weights
