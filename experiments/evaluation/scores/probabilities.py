"""Whether a network knows when it is wrong: proper losses, calibration and ranking."""

from collections.abc import Callable

import numpy as np

from experiments.evaluation.scores.base import UNIT, Counts, MeanScore, SumScore
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


def risk_coverage_curve(odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
    risk = rate * pixels + (wrong_before - before * rate) * (harmonic_number(before + pixels) - harmonic_number(before))
    return float(risk.sum() / pixels.sum())


def harmonic_number(number: np.ndarray) -> np.ndarray:
    """1 + 1/2 + ... + 1/n for whole n >= 0, to about 1e-15 relative."""
    exact = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, 129))])
    small = number < len(exact)
    large = np.where(small, len(exact), number)
    series = np.log(large) + np.euler_gamma + 1 / (2 * large) - 1 / (12 * large**2) + 1 / (120 * large**4)
    return np.where(small, exact[np.where(small, number, 0).astype(int)], series)


SCORES = {
    "nll": MeanScore(("losses", "classes"), _make_loss(0), "number", lower_is_better=True),
    "brier": MeanScore(("losses", "classes"), _make_loss(1), "number", lower_is_better=True),
    "ece": MeanScore(
        ("gaps", "classes"),
        lambda counts: calibration_error(counts["gaps"], counts["classes"][..., 2].sum(-1)),
        "number",
        lower_is_better=True,
    ),
    "aurc": SumScore(("odds",), lambda counts: risk_coverage_area(counts["odds"])),
}
