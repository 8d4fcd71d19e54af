"""Depth estimation as a task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from lightning_modules.metrics.fixed_point import UNIT
from lightning_modules.tasks.base import Task, get_target

LARGEST = 100
"""Upper bound of a pixel's relative error, so that sums over a data set stay exact for any prediction."""


@dataclass(frozen=True)
class Depth(Task):
    """The depth of each pixel: (H, W) in any unit, positive where it is known.

    Its logarithm is learned with the scale-invariant error of Eigen, Puhrsch & Fergus (NeurIPS 2014). Counts: pixels, those
    within a factor of 1.25, and the sum of the relative errors, clipped at `LARGEST`, in fixed point.

    Args:
        invariance: 0 for the squared error of the logarithm, 1 for an error that is invariant to the image's scale.
    """

    name: ClassVar[str] = "depth"
    invariance: float = 0.5

    regression: ClassVar[bool] = True
    of_mask: ClassVar[bool] = False

    def count_channels(self, num_classes: int, in_channels: int) -> int:
        """One."""
        return 1

    def make_target(self, batch: Mapping[str, Any], num_classes: int) -> Tensor:
        """The logarithm (B, 1, H, W); NaN where no depth is known.

        Raises:
            UserError: the data have no depth.
        """
        depth = get_target(batch, "depth", "depth").float()
        return depth.where(depth > 0, torch.nan).log()[:, None]

    def compute_loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Scale-invariant error of logarithms (B, 1, H, W), a scalar."""
        known = target.isfinite()
        number = known.flatten(1).sum(1).clamp(min=1)
        errors = (output - target.nan_to_num()).where(known, 0).flatten(1)
        each = errors.square().sum(1) / number - self.invariance * (errors.sum(1) / number).square()
        return each.sum() / known.flatten(1).any(1).sum().clamp(min=1)

    def compute_counts(self, output: Tensor, target: Tensor) -> Tensor:
        """Of logarithms (B, 1, H, W): int64 (B, 3)."""
        known = target.isfinite()
        ratio = (output - target.nan_to_num()).where(known, 0).double()
        close = known & (ratio.abs() < torch.log(torch.tensor(1.25, dtype=torch.float64)))
        errors = (ratio.expm1().abs().clamp(max=LARGEST) * UNIT).round().long()
        return torch.stack([part.flatten(1).sum(1) for part in (known, close, errors)], 1)
