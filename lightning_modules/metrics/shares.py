"""Scores that add up over images as a share: a sum over a sum; numpy alone, so that whoever reads a record knows them."""

from typing import NamedTuple

import numpy as np


class Share(NamedTuple):
    """Numerators and denominators of shares, (..., k) each; a score is the mean of the k shares that have a divisor."""

    numerator: np.ndarray
    denominator: np.ndarray


def shares(share: Share) -> np.ndarray:
    """Each share (..., k); NaN where there is nothing to divide by."""
    numerator, denominator = (np.asarray(part, dtype=np.float64) for part in share)
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def score(share: Share) -> np.ndarray:
    """Mean (...) of the shares that exist; NaN where none does.

    So an entirely missed class counts 0 in the mean, and an absent one leaves it.
    """
    numerator, denominator = (np.asarray(part, dtype=np.float64) for part in share)
    exists = denominator > 0
    number = exists.sum(-1)
    total = np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=exists).sum(-1)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
