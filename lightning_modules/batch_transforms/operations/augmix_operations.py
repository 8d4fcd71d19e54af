"""The operations of AugMix at its severities, which PixMix takes too."""

from collections.abc import Sequence

import torch

from lightning_modules.batch_transforms.operations.drawn import Drawn, draw_operations
from lightning_modules.batch_transforms.operations.operation import Operation
from lightning_modules.batch_transforms.operations.spaces import AUGMIX_GEOMETRIC, AUGMIX_PHOTOMETRIC
from user_error import UserError

HIGHEST = 10.0
"""The severity at which a magnitude may reach the end of an operation's range."""
LOWEST_LEVEL = 0.1


class AugMixOperations:
    """Operations whose levels are drawn uniformly from 0.1 to a severity, of 10, as in AugMix (Hendrycks et al., ICLR 2020).

    Args:
        method: name of the method for messages.
        severity: of photometric operations, above 0, at most 10.
        geometric_severity: of geometric operations, from 0, without them, to 10.

    Raises:
        UserError: a severity is out of range.
    """

    def __init__(self, method: str, severity: float, geometric_severity: float) -> None:
        if not 0 < severity <= HIGHEST:
            raise UserError(f"the severity of {method} is {severity}: give a number above 0, up to {HIGHEST:g}")
        if not 0 <= geometric_severity <= HIGHEST:
            raise UserError(
                f"the geometric_severity of {method} is {geometric_severity}: give a number from 0, without geometric "
                f"operations, to {HIGHEST:g}"
            )
        geometric = AUGMIX_GEOMETRIC if geometric_severity else ()
        self.operations: Sequence[Operation] = (*AUGMIX_PHOTOMETRIC, *geometric)
        self.severities = torch.tensor([geometric_severity if one.moves else severity for one in self.operations])

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> Drawn:
        """Operations and strengths of a shape."""
        uniform = torch.rand(*shape, generator=generator)
        lowest = self.severities.clamp(max=LOWEST_LEVEL)
        levels = lowest + (self.severities - lowest) * uniform[..., None]
        return draw_operations(self.operations, (levels / HIGHEST).movedim(-1, 0), generator)
