"""All that a sweep counts of a batch under one condition."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from lightning_modules.labels import IGNORED
from lightning_modules.metrics.boundary import boundary_counts, boundary_reach, boundary_region
from lightning_modules.metrics.counts import class_counts, image_confusion
from lightning_modules.metrics.fixed_point import CALIBRATION_BINS, ODDS_BINS, UNIT
from lightning_modules.metrics.reliability import reliability_counts


class ImageCounts(NamedTuple):
    """Integers of each image."""

    classes: Tensor  # (B, K, 3): intersection, predicted and true pixels
    boundary: Tensor  # (B, K, 3): the same within the boundary regions
    losses: Tensor  # (B, 2): negative log-likelihood and Brier score in fixed point
    gaps: Tensor  # (B, 15): confidence in fixed point less correct pixels, in each bin of the confidence


class SweepCounts(Metric):
    """Sums per condition that the counts of single images do not hold; exact in any order and over processes.

    Args:
        num_classes: K.
        num_conditions: how many conditions there are.
    """

    full_state_update = False
    sums = ("confusion", "calibration", "odds")
    confusion: Tensor
    calibration: Tensor
    odds: Tensor

    def __init__(self, num_classes: int, num_conditions: int = 1) -> None:
        super().__init__()
        self.num_classes = num_classes
        shapes = {
            "confusion": (num_classes, num_classes),
            "calibration": (CALIBRATION_BINS, 3),
            "odds": (ODDS_BINS, 2),
        }
        for name, shape in shapes.items():
            self.add_state(name, torch.zeros(num_conditions, *shape, dtype=torch.long), dist_reduce_fx="sum")
        self._mask: Tensor | None = None
        self._mask_region: Tensor | None = None

    def count(self, logits: Tensor, predicted: Tensor, mask: Tensor, condition: int) -> ImageCounts:
        """Add a batch under `condition` to the sums.

        Args:
            logits: (B, K, H, W).
            predicted: (B, H, W) int64, their argmax.
            mask: (B, H, W) int64; ids outside the classes, such as 255, are ignored. Not to be changed in place
                between two calls: its boundary region is kept.
            condition: its position.

        Returns:
            What each image adds by itself.
        """
        confusion = image_confusion(predicted, mask, self.num_classes)
        losses, calibration, odds = reliability_counts(logits, predicted, mask)
        self.update(confusion, calibration.sum(0), odds, condition)
        gaps = calibration[..., 2] - UNIT * calibration[..., 1]
        return ImageCounts(class_counts(confusion), self._boundary(predicted, mask), losses, gaps)

    def _boundary(self, predicted: Tensor, mask: Tensor) -> Tensor:
        ignored = (mask < 0) | (mask >= self.num_classes)
        labels, reach = mask.masked_fill(ignored, IGNORED).to(torch.uint8), boundary_reach(*mask.shape[-2:])
        if self._mask is not mask or self._mask_region is None:  # most conditions leave the masks as they are
            self._mask, self._mask_region = mask, boundary_region(labels, reach)
        guessed = predicted.to(torch.uint8)
        region = boundary_region(guessed.masked_fill(ignored, IGNORED), reach)
        return boundary_counts(guessed, region, labels, self._mask_region, self.num_classes)

    def update(self, confusion: Tensor, calibration: Tensor, odds: Tensor, condition: int = 0) -> None:
        """Add confusion matrices (B, K, K) of images, and the sums (15, 3) and (`ODDS_BINS`, 2) of their reliability."""
        self.confusion[condition] += confusion.sum(0)
        self.calibration[condition] += calibration
        self.odds[condition] += odds

    def compute(self) -> tuple[Tensor, Tensor, Tensor]:
        """The sums of all conditions: confusion, calibration and odds."""
        return self.confusion, self.calibration, self.odds
