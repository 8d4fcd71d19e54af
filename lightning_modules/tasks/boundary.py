"""Boundaries between classes as a task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.labels import IGNORED
from lightning_modules.metrics.boundary import compute_boundary_reach, find_boundary_region
from lightning_modules.tasks.base import Task, average_known


@dataclass(frozen=True)
class Boundary(Task):
    """The boundary region, the same as that of boundary IoU (Cheng et al., CVPR 2021), as a map of its own.

    Learned beside the masks as in DCAN (Chen et al., CVPR 2016). Counts: true positive, predicted and true boundary pixels.

    Args:
        weight: weight of the rare boundary pixels in the loss.
    """

    name: ClassVar[str] = "boundary"

    weight: float = 2.0

    def count_channels(self, num_classes: int, in_channels: int) -> int:
        """One."""
        return 1

    def make_target(self, batch: Mapping[str, Any], num_classes: int) -> Tensor:
        """(B, 1, H, W), 1 in the boundary region; NaN where the mask is ignored."""
        mask = batch["mask"]
        labels = mask.to(torch.uint8)
        region = find_boundary_region(labels, compute_boundary_reach(*mask.shape[-2:]))
        return region.float().masked_fill(labels == IGNORED, torch.nan)[:, None]

    def compute_loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Weighted binary cross-entropy of logits (B, 1, H, W), a scalar."""
        weight = torch.tensor(self.weight, device=output.device)
        errors = F.binary_cross_entropy_with_logits(output, target.nan_to_num(), pos_weight=weight, reduction="none")
        return average_known(errors, target)

    def compute_counts(self, output: Tensor, target: Tensor) -> Tensor:
        """Of logits (B, 1, H, W): int64 (B, 3)."""
        known, predicted, true = target.isfinite(), output > 0, target == 1
        return torch.stack([part.flatten(1).sum(1) for part in (predicted & true, predicted & known, true)], 1)
