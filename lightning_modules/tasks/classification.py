"""Which classes an image shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.labels import IGNORED
from lightning_modules.tasks.base import Task, average_known


@dataclass(frozen=True)
class Classification(Task):
    """Which classes occur in the image, each for itself: a classifier of images on the same encoder.

    What context a class stands in helps to segment it (Zhang et al., "Context Encoding for Semantic Segmentation", CVPR
    2018, whose extra loss this is). Counts: for each class images rightly said to show it, said to, and showing it.

    Args:
        least: pixels from which a class counts as shown.
    """

    name: ClassVar[str] = "classification"
    least: int = 1

    dense: ClassVar[bool] = False

    def count_channels(self, num_classes: int, in_channels: int) -> int:
        """K."""
        return num_classes

    def make_target(self, batch: Mapping[str, Any], num_classes: int) -> Tensor:
        """(B, K), 1 for the classes that occur; NaN for an image of which no pixel counts."""
        mask = batch["mask"]
        counted = mask != IGNORED
        pixels = [((mask == number) & counted).flatten(1).sum(1) for number in range(num_classes)]
        shown = (torch.stack(pixels, 1) >= self.least).float()
        return shown.masked_fill(~counted.flatten(1).any(1, keepdim=True), torch.nan)

    def compute_loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Binary cross-entropy of logits (B, K), a scalar."""
        return average_known(F.binary_cross_entropy_with_logits(output, target.nan_to_num(), reduction="none"), target)

    def compute_counts(self, output: Tensor, target: Tensor) -> Tensor:
        """Of logits (B, K): int64 (B, 3 K), the three of the first class first."""
        known, predicted, shown = target.isfinite(), output > 0, target == 1
        return torch.stack([predicted & shown, predicted & known, shown], 2).flatten(1).long()
