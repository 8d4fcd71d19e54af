"""Distance to the nearest boundary between classes as a task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.labels import IGNORED
from lightning_modules.metrics.fixed_point import UNIT
from lightning_modules.tasks.base import Task, average_known
from user_error import UserError


@dataclass(frozen=True)
class Distance(Task):
    """The truncated signed distance to the nearest pixel of another class.

    Regressed beside the masks by Audebert et al., "Distance transform regression for spatially-aware deep semantic
    segmentation" (CVIU 2019), and Bischke et al. (ICIP 2019). The distance is that of the chessboard, counted from 0 at
    the boundary and divided by `reach`; it is negative in class 0, so that with two classes it is the signed distance
    of the foreground. Neither ignored pixels nor the image's border form a boundary. Counts: pixels, and the sum of their
    absolute errors in pixels, in fixed point.

    Args:
        reach: distance in pixels at which it is truncated.
    """

    name: ClassVar[str] = "distance"
    reach: int = 10

    regression: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.reach < 1:
            raise UserError(f"the reach of the task 'distance' is {self.reach}: give at least 1 pixel")

    def count_channels(self, num_classes: int, in_channels: int) -> int:
        """One."""
        return 1

    def make_target(self, batch: Mapping[str, Any], num_classes: int) -> Tensor:
        """(B, 1, H, W) in [-1, 1]; NaN where the mask is ignored."""
        mask = batch["mask"][:, None]
        ignored = mask == IGNORED
        highest, lowest = mask.masked_fill(ignored, -1).float(), mask.masked_fill(ignored, IGNORED).float()
        distance = torch.zeros_like(highest)
        for _ in range(self.reach):  # windows of one class alone, growing
            highest, lowest = F.max_pool2d(highest, 3, 1, 1), -F.max_pool2d(-lowest, 3, 1, 1)
            distance += highest == lowest
        signed = torch.where(mask == 0, -distance, distance) / self.reach
        return signed.masked_fill(ignored, torch.nan)

    def compute_loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean absolute error of (B, 1, H, W), a scalar."""
        return average_known((output - target.nan_to_num()).abs(), target)

    def compute_counts(self, output: Tensor, target: Tensor) -> Tensor:
        """Of (B, 1, H, W): int64 (B, 2)."""
        known = target.isfinite()
        errors = (output.clamp(-1, 1) - target.nan_to_num()).abs() * self.reach * UNIT
        return torch.stack([known.flatten(1).sum(1), errors.round().long().where(known, 0).flatten(1).sum(1)], 1)
