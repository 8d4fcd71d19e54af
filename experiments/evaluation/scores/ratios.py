"""Scores that add up over images as a ratio: a sum over a sum."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Ratio(NamedTuple):
    """Numerators and denominators of ratios, (..., k) each.

    Their score is the mean of the k ratios that have a divisor; of `gaps`, the sum of their absolute values.
    """

    numerator: np.ndarray
    denominator: np.ndarray
    gaps: bool = False

    def apply(self, change: Callable[[np.ndarray], np.ndarray]) -> "Ratio":
        """The ratio after one change of numerators and denominators, such as a sum or a resample."""
        return self._replace(numerator=change(self.numerator), denominator=change(self.denominator))


def compute_ratios(ratio: Ratio) -> np.ndarray:
    """Each ratio (..., k); NaN where there is nothing to divide by."""
    numerator, denominator = (np.asarray(part, dtype=np.float64) for part in ratio[:2])
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def compute_score(ratio: Ratio) -> np.ndarray:
    """Mean (...) of the ratios that exist, or the sum of gaps; NaN where none exists.

    So an entirely missed class counts 0 in the mean, and an absent one leaves it.
    """
    numerator, denominator = (np.asarray(part, dtype=np.float64) for part in ratio[:2])
    if ratio.gaps:
        return _sum_gaps(numerator, denominator)
    exists = denominator > 0
    number = exists.sum(-1)
    total = np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=exists).sum(-1)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def _sum_gaps(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    exists = (denominator > 0).any(-1)
    total = np.divide(np.abs(numerator), denominator, out=np.zeros(numerator.shape), where=denominator > 0).sum(-1)
    return np.where(exists, total, np.nan)
