"""Overlap of the foreground alone, and means over images: as papers on medical images state it.

With two classes, half of mIoU is the background, which a constant answer gets nearly right.
"""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np

from experiments.evaluation.scores.overlap import dice, iou
from experiments.evaluation.scores.ratios import Ratio, compute_ratios

Empty = Literal["one", "leave-out", "leave-out-empty-masks"]
"""What a class counts in an image where mask and prediction lack it, in a mean over images.

``one``: 1, as in the BraTS challenges; a prediction where the mask is empty counts 0. ``leave-out``: nothing, as in
nnU-Net; a prediction where the mask is empty counts 0. ``leave-out-empty-masks``: an image whose mask lacks the class
counts nothing, whatever is predicted, as with MONAI's ``ignore_empty``.
"""

EMPTY: tuple[Empty, ...] = get_args(Empty)

BACKGROUND = ("background", "bg", "unlabelled", "unlabeled")

Overlap = Callable[[np.ndarray], Ratio]

OVERLAPS: dict[str, Overlap] = {"iou": iou, "dice": dice}


def has_foreground(classes: Sequence[str]) -> bool:
    """Whether the first class is the background of the others: it is called so, or there are two."""
    return len(classes) == 2 or (len(classes) > 1 and classes[0].strip().lower() in BACKGROUND)


def list_foreground(classes: Sequence[str]) -> list[int]:
    """Places of the classes other than the background; all where there is none."""
    return [*range(1 if has_foreground(classes) else 0, len(classes))]


def make_foreground_ratio(overlap: Overlap, counts: np.ndarray) -> Ratio:
    """Overlap of each class but the first, from class counts (..., K, 3)."""
    return overlap(counts[..., 1:, :])


def make_image_ratio(overlap: Overlap, counts: np.ndarray, empty: Empty) -> Ratio:
    """The mean over classes of an image's overlap as a numerator, and 1 as its denominator, where it has one.

    Args:
        overlap: of class counts.
        counts: (N, conditions, K, 3) of each image.
        empty: see `Empty`.

    Returns:
        (N, conditions, 1); both are 0 for an image in which no class counts.
    """
    values = compute_ratios(overlap(counts))
    if empty == "one":
        values = np.where(np.isnan(values), 1.0, values)
    elif empty == "leave-out-empty-masks":
        values = np.where(counts[..., 2] > 0, values, np.nan)
    known = ~np.isnan(values)
    number = known.sum(-1, keepdims=True)
    total = np.where(known, values, 0).sum(-1, keepdims=True)
    return Ratio(total / np.maximum(1, number), (number > 0).astype(np.float64))
