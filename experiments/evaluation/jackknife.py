"""Intervals from what a number becomes without each unit in turn.

Few units, or few that carry most of a number (a patient with a large tumour, the frames that hold a rare class), make
bootstrap intervals too narrow. Student's t with the degrees of freedom that the units' influences bear does not: see
``python -m experiments coverage`` for how often these intervals hold what they are to hold.
"""

from typing import Literal

import numpy as np

LEVEL = 0.95
"""Of every interval, and of every test."""

FEWEST_UNITS = 20
"""Units below which there is no interval: whatever is drawn from them, too little is known of the rest."""

FEWEST_BEARING = 10
"""Units that must bear on a number: a class in five images says nothing of the images that were not drawn."""

BEARING = 0.01
"""A unit bears on a number if its influence is more than this of the largest one."""

FRACTION = 0.6
"""Of the degrees of freedom that the influences seem to have: the kurtosis of few units is underestimated."""

ROUNDING = 1e-12  # what sums of the same numbers in another order may differ by

Scale = Literal["score", "difference"]
"""Of a number: in [0, 1], where the interval is computed of its log odds, or any."""


def jackknife_interval(
    estimate: float, left_out: np.ndarray, scale: Scale = "difference", level: float = LEVEL
) -> tuple[float, float]:
    """Student's t interval of the jackknife (Tukey, Ann. Math. Statist. 1958).

    Its degrees of freedom follow from the kurtosis of the influences (Hinkley, "Jackknife confidence limits using Student
    t approximations", Biometrika 1977), less a fraction: see `FRACTION`.

    Args:
        estimate: from all units.
        left_out: (N,) without each unit in turn.
        scale: of the number.
        level: of the interval.

    Returns:
        Its edges; NaN where there are too few units, see `count_bearing`.
    """
    values = left_out[~np.isnan(left_out)]
    number, bearing = len(values), count_bearing(left_out)
    if np.isnan(estimate) or number < FEWEST_UNITS or bearing < FEWEST_BEARING:
        return float("nan"), float("nan")
    inside = scale == "score" and 0 < estimate < 1 and values.min() > 0 and values.max() < 1
    centre, changed = (_to_log_odds(one) if inside else one for one in (np.array(estimate), values))
    squares = (changed - changed.mean()) ** 2
    deviation = float(np.sqrt((number - 1) / number * squares.sum()))
    from scipy.special import stdtrit  # loads slowly

    reach = float(stdtrit(degrees_of_freedom(squares), (1 + level) / 2)) * deviation
    edges = (float(centre) - reach, float(centre) + reach)
    if inside:
        return float(_from_log_odds(edges[0])), float(_from_log_odds(edges[1]))
    return edges if scale == "difference" else (max(0.0, edges[0]), min(1.0, edges[1]))


def degrees_of_freedom(squares: np.ndarray) -> float:
    """Those of a sum of squares (N,), by its mean and variance: few where few units decide it, and N - 1 at most."""
    number, mean, spread = len(squares), squares.mean(), squares.var()
    found = min(number - 1, 2 * number * mean**2 / spread) if spread > 0 else number - 1
    return float(max(1.0, FRACTION * found))


def count_bearing(left_out: np.ndarray) -> int:
    """How many units bear on a number, given what it is without each of them (N,)."""
    values = left_out[~np.isnan(left_out)]
    if len(values) < 2 or np.ptp(values) <= ROUNDING:
        return 0
    influence = np.abs(values - values.mean())
    return int(np.sum(influence > BEARING * influence.max()))


def _to_log_odds(value: np.ndarray) -> np.ndarray:
    return np.log(value / (1 - value))


def _from_log_odds(log_odds: float) -> float:
    return 1 / (1 + np.exp(-log_odds))
