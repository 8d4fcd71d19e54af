"""Boundary IoU: the agreement of contours, independent of the size of objects."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lightning_modules.labels import IGNORED
from lightning_modules.metrics.fixed_point import BOUNDARY_RATIO


def compute_boundary_reach(height: int, width: int) -> int:
    """Width in pixels of the boundary region, at least 1."""
    return max(1, round(BOUNDARY_RATIO * math.hypot(height, width)))


def find_boundary_region(labels: Tensor, reach: int) -> Tensor:
    """Pixels with another class, or the image's border, at most `reach` pixels away along both axes.

    These are the pixels that erosion by a square of 2 `reach` + 1 pixels takes from the mask of their class, as in
    boundary IoU (Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021), for
    all classes at once. Ignored pixels neither form nor hide a contour.

    Args:
        labels: (B, H, W) uint8 class ids, 255 where ignored.
        reach: in pixels.

    Returns:
        (B, H, W) bool; its values at ignored pixels are undefined.
    """
    region = torch.ones_like(labels, dtype=torch.bool)
    side = 2 * reach + 1
    if min(labels.shape[-2:]) < side:
        return region
    largest = _reduce_windows(labels.masked_fill(labels == IGNORED, 0), side, torch.maximum)
    smallest = _reduce_windows(labels, side, torch.minimum)  # 255 is larger than any class
    region[..., reach:-reach, reach:-reach] = largest != smallest
    return region


def _reduce_windows(labels: Tensor, side: int, operation: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Reduce every square window within the image by `operation`; spans double, so the cost grows with log(side)."""
    for axis in (-2, -1):
        span, length = 1, labels.shape[axis]
        while span < side:
            step = min(span, side - span)
            length -= step
            labels = operation(labels.narrow(axis, 0, length), labels.narrow(axis, step, length))
            span += step
    return labels


def count_boundary(
    predicted: Tensor, predicted_region: Tensor, mask: Tensor, mask_region: Tensor, num_classes: int
) -> Tensor:
    """Intersection, predicted and true pixels of each class within the boundary regions.

    Args:
        predicted: (B, H, W) uint8 class ids.
        predicted_region: (B, H, W) bool, of the prediction.
        mask: (B, H, W) uint8 class ids, 255 where ignored.
        mask_region: (B, H, W) bool, of the mask.
        num_classes: K.

    Returns:
        (B, K, 3) int64.
    """
    counted = mask != IGNORED
    agree = predicted_region & mask_region & (predicted == mask)
    parts = ((mask, agree), (predicted, predicted_region & counted), (mask, mask_region & counted))
    return torch.stack([_count_classes(labels, chosen, num_classes) for labels, chosen in parts], dim=-1)


def _count_classes(labels: Tensor, chosen: Tensor, num_classes: int) -> Tensor:
    """Pixels of each class among the chosen ones, (B, K)."""
    images = len(labels)
    first = torch.arange(images, device=labels.device).view(-1, 1, 1) * (num_classes + 1)
    bins = first + torch.where(chosen, labels, num_classes)
    counts = torch.bincount(bins.flatten(), minlength=images * (num_classes + 1))
    return counts.view(images, num_classes + 1)[:, :num_classes]
