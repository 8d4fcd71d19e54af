"""A cache of values that are derived from parameters."""

from collections.abc import Callable, Iterable
from typing import Any, Self

from torch import Tensor, nn


class Cached(nn.Module):
    """Caches a value derived from tensors until they change; a submodule of the network that has these tensors.

    A copy starts empty, so that it never contains a value derived from the tensors of another network.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: tuple[list[tuple[int, int]], Any] | None = None

    def get(self, tensors: Iterable[Tensor], make: Callable[[], Any]) -> Any:
        """The value of `make`, cached until any of `tensors` is modified or moved."""
        state = [(one.data_ptr(), 0 if one.is_inference() else one._version) for one in tensors]
        if self._made is None or self._made[0] != state:
            self._made = state, make()
        return self._made[1]

    def train(self, mode: bool = True) -> Self:
        """Clear the cache, since modifications of a tensor's ``.data``, as by callbacks, cannot be detected."""
        self._made = None
        return super().train(mode)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Cached":
        return Cached().train(self.training)

    def __reduce__(self) -> tuple[Any, ...]:
        return Cached, ()
