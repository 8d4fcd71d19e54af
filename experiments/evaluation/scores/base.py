"""What every score is: a function of additive integer counts by name, numpy in, numbers out.

Every score of single images adds up to a ratio: a sum over a sum, or the mean of such ratios over the classes. So it is
the two integers whose quotient it is, and the same code scores a condition, a resample and a permutation.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from experiments.evaluation.scores.ratios import Ratio, compute_ratios, compute_score

Counts = Mapping[str, np.ndarray]
"""Integers that add up over images, by name; leading axes are free, such as (images, conditions)."""

Unit = Literal["percent", "pixels", "dB", "number"]

UNIT = 2**16
"""Losses and confidences are counted in units of 1 / `UNIT`, as `lightning_modules.metrics.fixed_point` has it."""


def identity(values: np.ndarray) -> np.ndarray:
    """A ratio as it is."""
    return values


def as_number(value: float | np.ndarray) -> float | None:
    """A score as JSON holds it: NaN is written as null."""
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True)
class Score(ABC):
    """A score of one condition.

    Args:
        needs: names of the counts that it follows from.
    """

    needs: tuple[str, ...]

    def follows_from(self, counts: Iterable[str]) -> bool:
        """Whether counts of these names are all that it needs."""
        return {*counts} >= {*self.needs}

    @abstractmethod
    def score_sums(self, counts: Counts) -> Any:
        """The score of summed counts without leading axes, as JSON holds it."""


@dataclass(frozen=True)
class MeanScore(Score):
    """The mean of ratios that add up over images: it has intervals, and two networks are compared by it.

    Args:
        needs: names of the counts that it follows from.
        ratio: counts (...) to ratios (..., k).
        unit: in which it is stated.
        lower_is_better: whether a lower one is the better.
        scale: from the mean to the score.
    """

    ratio: Callable[[Counts], Ratio]
    unit: Unit = "percent"
    lower_is_better: bool = False
    scale: Callable[[np.ndarray], np.ndarray] = identity

    def __call__(self, counts: Counts) -> np.ndarray:
        """Scores (...) of counts; NaN of nothing."""
        return self.scale(compute_score(self.ratio(counts)))

    def score_sums(self, counts: Counts) -> float | None:
        """One number."""
        return as_number(self(counts))


@dataclass(frozen=True)
class ClassScores(Score):
    """A ratio of each class.

    Args:
        needs: names of the counts that they follow from.
        ratio: counts (...) to ratios (..., K).
    """

    ratio: Callable[[Counts], Ratio]

    def score_sums(self, counts: Counts) -> list[float | None]:
        """A number for each class; none for one that does not occur."""
        return [as_number(value) for value in compute_ratios(self.ratio(counts))]


HISTOGRAMS = ("log_odds", "odds")
"""Counts of pixels and correct ones by confidence, from the most confident bin on: those of today, and earlier ones."""

IMAGE_HISTOGRAM = "image_log_odds"
"""The same of single images, in wider bins."""


def find_histogram(counts: Counts) -> np.ndarray:
    """Pixels and correct ones (..., bins, 2) by confidence, from the most confident bin on."""
    return next(counts[name] for name in HISTOGRAMS if name in counts)


@dataclass(frozen=True)
class CurveScore(Score):
    """A score of how confidence ranks right and wrong pixels, or inliers and outliers; see `curves`.

    It is no ratio that adds up over images. What it becomes without each of them follows from their own histograms.

    Args:
        needs: names of the counts that it follows from beside a histogram.
        compute: histograms (..., bins, 2) to scores (...).
        unit: in which it is stated.
        lower_is_better: whether a lower one is the better.
        histograms: names of the counts that it may follow from.
        image_histogram: the same of single images, in wider bins.
    """

    compute: Callable[[np.ndarray], np.ndarray]
    unit: Unit = "percent"
    lower_is_better: bool = False
    histograms: tuple[str, ...] = HISTOGRAMS
    image_histogram: str = IMAGE_HISTOGRAM

    def follows_from(self, counts: Iterable[str]) -> bool:
        """See `Score`; any of the histograms will do."""
        names = {*counts}
        return super().follows_from(names) and not names.isdisjoint(self.histograms)

    def score_sums(self, counts: Counts) -> float | None:
        """One number."""
        return as_number(self.compute(self.find_histogram(counts)))

    def find_histogram(self, counts: Counts) -> np.ndarray:
        """The histograms (..., bins, 2) that it follows from."""
        return next(counts[name] for name in self.histograms if name in counts)
