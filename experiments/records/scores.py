"""Scores of a condition as pure functions of its additive integer counts: numpy in, numbers out.

Every score of single images adds up to a share: a sum over a sum, or the mean of such shares over the classes. So a
metric is the two integers whose quotient it is, and the same code scores a condition, a resample and a permutation.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from lightning_modules.metrics.fixed_point import UNIT
from lightning_modules.metrics.shares import Share, score, shares
from lightning_modules.tasks.scores import SCORES


class Counts(NamedTuple):
    """Integers that add up over images; the leading axes are free, such as (images, conditions)."""

    classes: np.ndarray  # (..., K, 3): intersection, predicted and true pixels
    boundary: np.ndarray  # (..., K, 3): the same within the boundary regions
    losses: np.ndarray  # (..., 2): negative log-likelihood and Brier score in fixed point
    gaps: np.ndarray  # (..., 15): confidence in fixed point less correct pixels; (..., 0) in records of earlier sweeps

    def total(self) -> "Counts":
        """The sum over the first axis."""
        return Counts(*(part.sum(0) for part in self))


def class_counts(confusion: np.ndarray) -> np.ndarray:
    """Intersection, predicted and true pixels of each class: (..., K, K), rows true, to (..., K, 3)."""
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    return np.stack([hit, confusion.sum(-2), confusion.sum(-1)], axis=-1)


def _parts(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    hit, predicted, true = np.moveaxis(counts, -1, 0).astype(np.int64, copy=False)  # on disk they may be narrower
    return hit, predicted, true


def iou(counts: np.ndarray) -> Share:
    """Intersection over union of each class; one that occurs in neither mask nor prediction has none."""
    hit, predicted, true = _parts(counts)
    return Share(hit, predicted + true - hit)


def dice(counts: np.ndarray) -> Share:
    """Dice's coefficient, the same as F1, of each class that occurs in mask or prediction."""
    hit, predicted, true = _parts(counts)
    return Share(2 * hit, predicted + true)


def recall(counts: np.ndarray) -> Share:
    """Share of each class's true pixels that were found."""
    hit, _, true = _parts(counts)
    return Share(hit, true)


def accuracy(counts: np.ndarray) -> Share:
    """Share of all counted pixels that are right."""
    hit, _, true = _parts(counts)
    return Share(hit.sum(-1, keepdims=True), true.sum(-1, keepdims=True))


def _loss(place: int) -> Callable[[Counts], Share]:
    def loss(counts: Counts) -> Share:
        pixels = counts.classes[..., 2].sum(-1, keepdims=True)
        return Share(counts.losses[..., place, None], pixels * UNIT)

    return loss


def calibration_gaps(calibration: np.ndarray) -> np.ndarray:
    """By how much confidence exceeds correctness in each bin, in fixed point: (..., 15, 3) to (..., 15)."""
    return calibration[..., 2] - UNIT * calibration[..., 1]


def calibration_error(gaps: np.ndarray, pixels: np.ndarray) -> Share:
    """Expected calibration error of the predicted class (Naeini et al., AAAI 2015; Guo et al., ICML 2017).

    Args:
        gaps: (..., bins) of `calibration_gaps`.
        pixels: (...) in all bins.
    """
    return Share(gaps, np.broadcast_to(pixels[..., None] * UNIT, gaps.shape), gaps=True)


METRICS: dict[str, Callable[[Counts], Share]] = {
    "miou": lambda counts: iou(counts.classes),
    "dice": lambda counts: dice(counts.classes),
    "pixel_accuracy": lambda counts: accuracy(counts.classes),
    "class_accuracy": lambda counts: recall(counts.classes),
    "boundary_iou": lambda counts: iou(counts.boundary),
    "nll": _loss(0),
    "brier": _loss(1),
    "ece": lambda counts: calibration_error(counts.gaps, counts.classes[..., 2].sum(-1)),
}
"""The scores that add up over images, by name."""

LOWER_IS_BETTER = ("nll", "brier", "ece", "aurc")


def mean_iou(counts: np.ndarray) -> np.ndarray:
    """MIoU (...) of class counts (..., K, 3)."""
    return score(iou(counts))


def risk_coverage(odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and selective risk after each bin that holds pixels, from the most confident on.

    Args:
        odds: (bins, 2): pixels and correct ones, from the most confident bin on.
    """
    pixels = odds[:, 0].cumsum()
    wrong = (odds[:, 0] - odds[:, 1]).cumsum()
    filled = odds[:, 0] > 0
    return pixels[filled] / max(1, pixels[-1]), wrong[filled] / np.maximum(1, pixels[filled])


def risk_coverage_area(odds: np.ndarray) -> float:
    """Area under the risk-coverage curve (Geifman et al., ICLR 2019), 0 at best; NaN without pixels.

    The mean, over every number k of pixels, of the error rate of the k most confident ones. Pixels of one bin count as
    tied: each order of them is as likely, which leaves a harmonic sum in closed form.

    Args:
        odds: (bins, 2): pixels and correct ones, from the most confident bin on.
    """
    filled = odds[odds[:, 0] > 0].astype(np.float64)
    if not len(filled):
        return float("nan")
    pixels, wrong = filled[:, 0], filled[:, 0] - filled[:, 1]
    before, wrong_before = pixels.cumsum() - pixels, wrong.cumsum() - wrong
    rate = wrong / pixels
    risk = rate * pixels + (wrong_before - before * rate) * (harmonic(before + pixels) - harmonic(before))
    return float(risk.sum() / pixels.sum())


def harmonic(number: np.ndarray) -> np.ndarray:
    """1 + 1/2 + ... + 1/n for whole n >= 0, to about 1e-15 relative."""
    exact = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, 129))])
    small = number < len(exact)
    large = np.where(small, len(exact), number)
    series = np.log(large) + np.euler_gamma + 1 / (2 * large) - 1 / (12 * large**2) + 1 / (120 * large**4)
    return np.where(small, exact[np.where(small, number, 0).astype(int)], series)


def number(value: float | np.ndarray) -> float | None:
    """A score as JSON holds it: NaN is written as null."""
    return None if np.isnan(value) else float(value)


def condition_scores(counts: Counts, odds: np.ndarray) -> dict[str, Any]:
    """All scores of one condition, ready for JSON.

    Args:
        counts: of the condition, without leading axes.
        odds: (bins, 2).
    """
    return {
        **{name: number(score(metric(counts))) for name, metric in METRICS.items()},
        "aurc": number(risk_coverage_area(odds)),
        "class_iou": [number(value) for value in shares(iou(counts.classes))],
        "class_dice": [number(value) for value in shares(dice(counts.classes))],
        "class_boundary_iou": [number(value) for value in shares(iou(counts.boundary))],
    }


def task_scores(name: str, counts: Sequence[int]) -> dict[str, float | None]:
    """Scores of a further task under one condition, ready for JSON.

    Raises:
        ValueError: another number of counts than the task has.
    """
    sums = np.asarray(counts, dtype=np.float64)
    return {key: number(one(sums)) for key, one in SCORES[name].items()}
