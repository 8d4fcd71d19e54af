"""How well predicted and true pixels of the classes agree, from intersection, predicted and true pixels of each class."""

import numpy as np

from experiments.evaluation.scores.base import ClassScores, MeanScore
from experiments.evaluation.scores.ratios import Ratio, compute_score


def compute_class_counts(confusion: np.ndarray) -> np.ndarray:
    """Intersection, predicted and true pixels of each class: (..., K, K), rows true, to (..., K, 3)."""
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    return np.stack([hit, confusion.sum(-2), confusion.sum(-1)], axis=-1)


def _split_counts(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    hit, predicted, true = np.moveaxis(counts, -1, 0).astype(np.int64, copy=False)  # on disk they may be narrower
    return hit, predicted, true


def iou(counts: np.ndarray) -> Ratio:
    """Intersection over union of each class; one that occurs in neither mask nor prediction has none."""
    hit, predicted, true = _split_counts(counts)
    return Ratio(hit, predicted + true - hit)


def dice(counts: np.ndarray) -> Ratio:
    """Dice's coefficient, the same as F1, of each class that occurs in mask or prediction."""
    hit, predicted, true = _split_counts(counts)
    return Ratio(2 * hit, predicted + true)


def recall(counts: np.ndarray) -> Ratio:
    """Fraction of each class's true pixels that were found."""
    hit, _, true = _split_counts(counts)
    return Ratio(hit, true)


def accuracy(counts: np.ndarray) -> Ratio:
    """Fraction of all counted pixels that are right."""
    hit, _, true = _split_counts(counts)
    return Ratio(hit.sum(-1, keepdims=True), true.sum(-1, keepdims=True))


def mean_iou(counts: np.ndarray) -> np.ndarray:
    """MIoU (...) of class counts (..., K, 3)."""
    return compute_score(iou(counts))


SCORES = {
    "miou": MeanScore(("classes",), lambda counts: iou(counts["classes"])),
    "dice": MeanScore(("classes",), lambda counts: dice(counts["classes"])),
    "pixel_accuracy": MeanScore(("classes",), lambda counts: accuracy(counts["classes"])),
    "class_accuracy": MeanScore(("classes",), lambda counts: recall(counts["classes"])),
    "class_iou": ClassScores(("classes",), lambda counts: iou(counts["classes"])),
    "class_dice": ClassScores(("classes",), lambda counts: dice(counts["classes"])),
}
