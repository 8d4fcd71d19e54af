"""Multi-label classification of images as a task."""

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
    """Which classes occur in the image: a multi-label classifier on the same encoder.

    The global context helps to segment a class (Zhang et al., "Context Encoding for Semantic Segmentation", CVPR 2018, whose
    auxiliary loss this is). Counts: true positive, predicted and true images of each class.

    Args:
        least: number of pixels from which on a class counts as present.
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
