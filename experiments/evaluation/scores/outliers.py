"""Whether a network is less confident of what no class is meant for: out-of-distribution detection, pixel by pixel.

The positives are the outliers, ranked by the lack of confidence, as in the BRAVO challenge (Vu et al., arXiv:2409.15107).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from experiments.evaluation.scores.base import Counts, CurveScore, Score, as_number
from experiments.evaluation.scores.curves import average_precision_of_wrong, false_positive_rate, roc_area
from experiments.evaluation.scores.semantic import harmonic_mean

HISTOGRAM, IMAGE_HISTOGRAM = "outlier_log_odds", "image_outlier_log_odds"
"""Counts of pixels and of inliers among them by confidence, from the most confident bin on."""


def inlier_rate(histogram: np.ndarray) -> np.ndarray:
    """Share (...) of the inliers that are as doubtful as the most doubtful 95 % of the outliers.

    Args:
        histogram: (..., bins, 2): pixels and inliers, from the most confident bin on.
    """
    pixels, inliers = np.moveaxis(histogram, -1, 0)
    return false_positive_rate(np.stack([pixels, pixels - inliers], -1)[..., ::-1, :])


def _make_score(compute: Callable[[np.ndarray], np.ndarray], lower_is_better: bool = False) -> CurveScore:
    return CurveScore((), compute, "percent", lower_is_better, (HISTOGRAM,), IMAGE_HISTOGRAM)


PARTS: dict[str, CurveScore] = {
    "outlier_auroc": _make_score(roc_area),
    "outlier_aupr": _make_score(average_precision_of_wrong),
    "outlier_fpr95": _make_score(inlier_rate, lower_is_better=True),
}
"""The scores that `outlier_mean` is of."""


def outlier_mean(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """The harmonic mean (...) of AUROC, AUPR and 1 - FPR at 95 % TPR of finding outliers, each (...).

    ``ood_hmean`` of the BRAVO challenge of one of its subsets.
    """
    kinds = PARTS.items()
    return harmonic_mean(np.stack([1 - parts[name] if one.lower_is_better else parts[name] for name, one in kinds], -1))


@dataclass(frozen=True)
class OutlierMean(Score):
    """`outlier_mean` of the scores of one condition."""

    def follows_from(self, counts: Iterable[str]) -> bool:
        """See `Score`."""
        return HISTOGRAM in {*counts}

    def score_sums(self, counts: Counts) -> float | None:
        """One number."""
        parts = {name: one.score_sums(counts) for name, one in PARTS.items()}
        return as_number(outlier_mean({name: np.array(value, np.float64) for name, value in parts.items()}))


SCORES = {**PARTS, "bravo_ood": OutlierMean(())}
