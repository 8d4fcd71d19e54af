"""One operation on images, with the range of its strengths."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Operation:
    """An operation on several images at once, each with a strength of its own; by itself, the identity.

    Args:
        name: of the operation, as the papers have it.
        weakest: strength at magnitude 0, in the unit of the operation.
        strongest: strength at magnitude 1.
        signed: whether the strength gets a random sign.
    """

    name: str
    weakest: float = 0.0
    strongest: float = 0.0
    signed: bool = False

    @property
    def moves(self) -> bool:
        """Whether the operation moves pixels, so that the targets must move along."""
        return isinstance(self, Geometric)

    def compute_strength(self, magnitude: Tensor, sign: Tensor) -> Tensor:
        """Strengths (n,) from magnitudes in [0, 1] and signs, -1 or 1, (n,) each."""
        strength = torch.lerp(
            torch.full_like(magnitude, self.weakest), torch.full_like(magnitude, self.strongest), magnitude
        )
        return strength * sign if self.signed else strength


@dataclass(frozen=True)
class Photometric(Operation):
    """An operation that changes values and moves no pixel.

    Args:
        change: maps float images (n, C, H, W) in [0, 1] and strengths (n, 1, 1, 1) to new images in [0, 1].
    """

    change: Callable[[Tensor, Tensor], Tensor] = field(kw_only=True)


@dataclass(frozen=True)
class Geometric(Operation):
    """An operation that moves pixels.

    Args:
        make_matrix: maps strengths (n,), height and width to matrices (n, 2, 3), as `operations.geometric` reads them.
    """

    make_matrix: Callable[[Tensor, int, int], Tensor] = field(kw_only=True)
