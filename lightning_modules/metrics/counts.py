"""Confusion matrices per condition, the additive metric of validation and sweeps."""

import torch
from torch import Tensor
from torchmetrics import Metric


def compute_confusion(predicted: Tensor, mask: Tensor, num_classes: int) -> Tensor:
    """Confusion matrix of every image: rows are true classes, columns predicted ones.

    Args:
        predicted: (B, H, W) class ids.
        mask: (B, H, W) int64 class ids; ids outside the classes, such as 255, are ignored.
        num_classes: K.

    Returns:
        (B, K, K) int64.
    """
    images = mask.shape[0]
    first = torch.arange(images, device=mask.device).view(-1, 1, 1) * (num_classes + 1)
    rows = first + mask.where((mask >= 0) & (mask < num_classes), num_classes)  # row K collects what is ignored
    bins = (rows * num_classes + predicted).flatten()
    counts = torch.bincount(bins, minlength=images * (num_classes + 1) * num_classes)
    return counts.view(images, num_classes + 1, num_classes)[:, :num_classes]


def count_classes(confusion: Tensor) -> Tensor:
    """Intersection, predicted and true pixels of each class: (..., K, K) to (..., K, 3)."""
    hit = confusion.diagonal(dim1=-2, dim2=-1)
    return torch.stack([hit, confusion.sum(-2), confusion.sum(-1)], dim=-1)


def mean_iou(confusion: Tensor) -> Tensor:
    """MIoU of a summed confusion matrix (..., K, K), over the classes that occur in mask or prediction; NaN if none."""
    hit, predicted, true = count_classes(confusion).double().unbind(-1)
    union = predicted + true - hit
    return torch.where(union > 0, hit / union, torch.nan).nanmean(-1)


class SegmentationCounts(Metric):
    """Sum of confusion matrices per condition (conditions, K, K), exact in any order and over processes."""

    full_state_update = False
    confusion: Tensor

    def __init__(self, num_classes: int, num_conditions: int = 1) -> None:
        super().__init__()
        self.num_classes = num_classes
        zeros = torch.zeros(num_conditions, num_classes, num_classes, dtype=torch.long)
        self.add_state("confusion", zeros, dist_reduce_fx="sum")

    def update(self, confusion: Tensor, condition: int = 0) -> None:
        """Add confusion matrices (B, K, K) of images under `condition`."""
        self.confusion[condition] += confusion.sum(0)

    def compute(self) -> Tensor:
        """The summed confusion matrices (conditions, K, K)."""
        return self.confusion
