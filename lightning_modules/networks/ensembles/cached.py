"""What is made of parameters once and used in every evaluation."""

from collections.abc import Callable, Iterable
from typing import Any, Self

from torch import Tensor, nn


class Cached(nn.Module):
    """Makes something of tensors, and makes it anew where they have changed: a part of the network that they belong to.

    A copy starts empty, so that it never holds what was made of the tensors of another.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: tuple[list[tuple[int, int]], Any] | None = None

    def get(self, tensors: Iterable[Tensor], make: Callable[[], Any]) -> Any:
        """What `make` makes of `tensors`: the same object for as long as nobody wrote to any of them or moved one."""
        state = [(one.data_ptr(), 0 if one.is_inference() else one._version) for one in tensors]
        if self._made is None or self._made[0] != state:
            self._made = state, make()
        return self._made[1]

    def train(self, mode: bool = True) -> Self:
        """Forget: who writes to a tensor's ``.data``, as a callback may between two evaluations, leaves no trace."""
        self._made = None
        return super().train(mode)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Cached":
        return Cached().train(self.training)

    def __reduce__(self) -> tuple[Any, ...]:
        return Cached, ()
