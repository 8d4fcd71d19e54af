"""Whether a network knows when it is wrong: proper losses, calibration and ranking."""

from collections.abc import Callable

import numpy as np

from experiments.evaluation.scores.base import UNIT, Counts, CurveScore, MeanScore
from experiments.evaluation.scores.curves import (
    average_precision_of_right,
    average_precision_of_wrong,
    false_positive_rate,
    risk_coverage_area,
    roc_area,
)
from experiments.evaluation.scores.ratios import Ratio


def _make_loss(place: int) -> Callable[[Counts], Ratio]:
    def loss(counts: Counts) -> Ratio:
        pixels = counts["classes"][..., 2].sum(-1, keepdims=True)
        return Ratio(counts["losses"][..., place, None], pixels * UNIT)

    return loss


def compute_calibration_gaps(calibration: np.ndarray) -> np.ndarray:
    """By how much confidence exceeds correctness in each bin, in fixed point: (..., 15, 3) to (..., 15)."""
    return calibration[..., 2] - UNIT * calibration[..., 1]


def calibration_error(gaps: np.ndarray, pixels: np.ndarray) -> Ratio:
    """Expected calibration error of the predicted class (Naeini et al., AAAI 2015; Guo et al., ICML 2017).

    Args:
        gaps: (..., bins) of `compute_calibration_gaps`.
        pixels: (...) in all bins.
    """
    return Ratio(gaps, np.broadcast_to(pixels[..., None] * UNIT, gaps.shape), gaps=True)


SCORES = {
    "nll": MeanScore(("losses", "classes"), _make_loss(0), "number", lower_is_better=True),
    "brier": MeanScore(("losses", "classes"), _make_loss(1), "number", lower_is_better=True),
    "ece": MeanScore(
        ("gaps", "classes"),
        lambda counts: calibration_error(counts["gaps"], counts["classes"][..., 2].sum(-1)),
        "number",
        lower_is_better=True,
    ),
    "aurc": CurveScore((), risk_coverage_area, lower_is_better=True),
    "auroc": CurveScore((), roc_area),
    "fpr95": CurveScore((), false_positive_rate, lower_is_better=True),
    "aupr_success": CurveScore((), average_precision_of_right),
    "aupr_error": CurveScore((), average_precision_of_wrong),
}
