"""Reconstruction of the image as a task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from lightning_modules.images import to_unit_range
from lightning_modules.tasks.base import Task, average_known


@dataclass(frozen=True)
class Reconstruction(Task):
    """The image in [0, 1], from the features that segment it; under a corruption, the clean image.

    An autoencoder as a regulariser, as in Myronenko, "3D MRI brain tumor segmentation using autoencoder regularization"
    (BrainLes 2018), without the variational part. Counts: values, and the sum of the squared errors of 8-bit levels.
    """

    name: ClassVar[str] = "reconstruction"
    regression: ClassVar[bool] = True
    of_mask: ClassVar[bool] = False

    def count_channels(self, num_classes: int, in_channels: int) -> int:
        """C."""
        return in_channels

    def make_target(self, batch: Mapping[str, Any], num_classes: int) -> Tensor:
        """The image (B, C, H, W) in [0, 1]."""
        return to_unit_range(batch["image"])

    def compute_loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean squared error of (B, C, H, W), a scalar."""
        return average_known((output - target.nan_to_num()).square(), target)

    def compute_counts(self, output: Tensor, target: Tensor) -> Tensor:
        """Of (B, C, H, W): int64 (B, 2)."""
        known = target.isfinite()
        levels = (output.clamp(0, 1) * 255).round().long() - (target.nan_to_num() * 255).round().long()
        sums = [known.flatten(1).sum(1), levels.square().where(known, 0).flatten(1).sum(1)]
        return torch.stack(sums, 1)
