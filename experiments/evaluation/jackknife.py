"""Intervals from what a number becomes without each unit in turn.

Few units, or few that carry most of a number (a patient with a large tumour, the frames that hold a rare class), make
bootstrap intervals too narrow. Student's t with the degrees of freedom that the units' influences bear does not: see
``python -m experiments coverage`` for how often these intervals hold what they are to hold.
"""

from typing import Literal

import numpy as np

from experiments.evaluation.blocks import Blocks, make_independent

LEVEL = 0.95
"""Of every interval, and of every test."""

FEWEST_UNITS = 20
"""Units below which there is no interval: whatever is drawn from them, too little is known of the rest."""

FEWEST_BLOCKS = 8
"""Likewise of blocks of units that follow each other, each of which is already a mean of several."""

FEWEST_BEARING = 10
"""Units that must bear on a number: a class in five images says nothing of the images that were not drawn."""

FEWEST_BEARING_BLOCKS = 5
"""Likewise of blocks."""

BEARING = 0.01
"""A unit bears on a number if its influence is more than this of the largest one."""

FRACTION = 0.6
"""Of the degrees of freedom that the influences seem to have: the kurtosis of few units is underestimated."""

ROUNDING = 1e-12  # what sums of the same numbers in another order may differ by

Scale = Literal["score", "difference"]
"""Of a number: in [0, 1], where the interval is computed of its log odds, or any."""


def jackknife_interval(
    estimate: float,
    left_out: np.ndarray,
    scale: Scale = "difference",
    level: float = LEVEL,
    blocks: Blocks | None = None,
) -> tuple[float, float]:
    """Student's t interval of the jackknife (Tukey, Ann. Math. Statist. 1958), or of that of blocks (Künsch, ibid. 1989).

    Its degrees of freedom follow from the kurtosis of the influences (Hinkley, "Jackknife confidence limits using Student
    t approximations", Biometrika 1977), less a fraction: see `FRACTION`.

    Args:
        estimate: from all units.
        left_out: (N,) without each unit in turn, or without the block that begins at it.
        scale: of the number.
        level: of the interval.
        blocks: of units that follow each other; independent ones if `None`.

    Returns:
        Its edges; NaN where there are too few units or blocks, see `count_bearing`.
    """
    blocks = blocks or make_independent(len(left_out))
    values = left_out[~np.isnan(left_out)]
    if np.isnan(estimate) or not len(values) or not _are_enough(left_out, blocks):
        return float("nan"), float("nan")
    inside = scale == "score" and 0 < estimate < 1 and values.min() > 0 and values.max() < 1
    centre, changed = (_to_log_odds(one) if inside else one for one in (np.array(estimate), left_out))
    deviation, freedom = estimate_deviation(changed, blocks)
    from scipy.special import stdtrit  # loads slowly

    reach = float(stdtrit(freedom, (1 + level) / 2)) * deviation
    edges = (float(centre) - reach, float(centre) + reach)
    if inside:
        return float(_from_log_odds(edges[0])), float(_from_log_odds(edges[1]))
    return edges if scale == "difference" else (max(0.0, edges[0]), min(1.0, edges[1]))


def compute_equivalence_p(estimate: float, left_out: np.ndarray, margin: float, blocks: Blocks | None = None) -> float:
    """P value of a difference that is not within a margin: two one-sided tests (Schuirmann, J. Pharmacokinet. 1987).

    Args:
        estimate: of the difference, from all units.
        left_out: (N,) as for `jackknife_interval`.
        margin: that counts as no difference.
        blocks: of units that follow each other; independent ones if `None`.

    Returns:
        The larger of both p values; NaN where there are too few units.
    """
    blocks = blocks or make_independent(len(left_out))
    known = left_out[~np.isnan(left_out)]
    if np.isnan(estimate) or not len(known) or not _are_enough(left_out, blocks, bearing=False):
        return float("nan")
    if np.ptp(known) <= ROUNDING:
        return 0.0 if abs(estimate) < margin else 1.0
    deviation, freedom = estimate_deviation(left_out, blocks)
    from scipy.special import stdtr  # loads slowly

    return float(stdtr(freedom, (abs(estimate) - margin) / deviation))


def estimate_deviation(left_out: np.ndarray, blocks: Blocks) -> tuple[float, float]:
    """Standard error of a number, and its degrees of freedom, from what it is (N,) without each unit or block."""
    known = ~np.isnan(left_out)
    values, lengths, number = left_out[known], blocks.own_lengths[known], int(known.sum())
    squares = (values - values.mean()) ** 2
    deviation = float(np.sqrt((squares * (number - lengths) / lengths).sum() / number))
    return deviation, degrees_of_freedom(squares, blocks.effective_number * number / len(left_out))


def _are_enough(left_out: np.ndarray, blocks: Blocks, bearing: bool = True) -> bool:
    """Whether so many units or blocks, and so many that bear on the number, tell of the rest.

    Of two networks that answer alike on nearly all units few bear on their difference, which is no lack of knowledge.
    """
    per_unit, whole = blocks.effective_number / len(left_out), blocks.are_whole_sequences
    number, bears = per_unit * np.sum(~np.isnan(left_out)), per_unit * count_bearing(left_out)
    fewest, fewest_bearing = (FEWEST_UNITS, FEWEST_BEARING) if whole else (FEWEST_BLOCKS, FEWEST_BEARING_BLOCKS)
    return bool(number >= fewest and (not bearing or bears >= fewest_bearing))


def degrees_of_freedom(squares: np.ndarray, number: float) -> float:
    """Those of a sum of squares, by its mean and variance: few where few units decide it.

    Args:
        squares: of the influences.
        number: of independent ones among them; there is one degree of freedom less at most.
    """
    mean, spread = squares.mean(), squares.var()
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
