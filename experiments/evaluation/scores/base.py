"""What every score is: a function of additive integer counts by name, numpy in, numbers out.

Every score of single images adds up to a share: a sum over a sum, or the mean of such shares over the classes. So it is
the two integers whose quotient it is, and the same code scores a condition, a resample and a permutation.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from experiments.evaluation.scores.shares import Share, score, shares

Counts = Mapping[str, np.ndarray]
"""Integers that add up over images, by name; leading axes are free, such as (images, conditions)."""

Unit = Literal["percent", "pixels", "dB", "number"]

UNIT = 2**16
"""Losses and confidences are counted in units of 1 / `UNIT`, as `lightning_modules.metrics.fixed_point` has it."""


def unchanged(share: np.ndarray) -> np.ndarray:
    """A share as it is."""
    return share


def number(value: float | np.ndarray) -> float | None:
    """A score as JSON holds it: NaN is written as null."""
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True)
class Score(ABC):
    """A score of one condition.

    Args:
        needs: names of the counts that it follows from.
    """

    needs: tuple[str, ...]

    @abstractmethod
    def of_sums(self, counts: Counts) -> Any:
        """The score of summed counts without leading axes, as JSON holds it."""


@dataclass(frozen=True)
class MeanScore(Score):
    """The mean of shares that add up over images: it has intervals, and two networks are compared by it.

    Args:
        needs: names of the counts that it follows from.
        share: counts (...) to shares (..., k).
        unit: in which it is stated.
        lower_is_better: whether a lower one is the better.
        scale: from the mean to the score.
    """

    share: Callable[[Counts], Share]
    unit: Unit = "percent"
    lower_is_better: bool = False
    scale: Callable[[np.ndarray], np.ndarray] = unchanged

    def __call__(self, counts: Counts) -> np.ndarray:
        """Scores (...) of counts; NaN of nothing."""
        return self.scale(score(self.share(counts)))

    def of_sums(self, counts: Counts) -> float | None:
        """One number."""
        return number(self(counts))


@dataclass(frozen=True)
class ClassScores(Score):
    """A share of each class.

    Args:
        needs: names of the counts that they follow from.
        share: counts (...) to shares (..., K).
    """

    share: Callable[[Counts], Share]

    def of_sums(self, counts: Counts) -> list[float | None]:
        """A number for each class; none for one that does not occur."""
        return [number(value) for value in shares(self.share(counts))]


@dataclass(frozen=True)
class SumScore(Score):
    """A score of the sums over all images alone, which no image has a part of.

    Args:
        needs: names of the counts that it follows from.
        compute: counts without leading axes to the score; NaN of nothing.
    """

    compute: Callable[[Counts], float]

    def of_sums(self, counts: Counts) -> float | None:
        """One number."""
        return number(self.compute(counts))
