"""Uncertainty as pure functions of the counts of single images.

Images that belong together (slices of a patient) are no independent draws: `sum_by_unit` sums them up first, and every
function here then draws complete units. Where units follow each other (frames of a drive), blocks of them are drawn.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from experiments.evaluation.blocks import Blocks, make_independent
from experiments.evaluation.jackknife import LEVEL, ROUNDING, Scale, jackknife_interval
from experiments.evaluation.scores.ratios import Ratio, compute_score

RESAMPLES = 1000
PERMUTATIONS = 10_000
CHUNK = 100  # draws at a time: bounds the memory of many classes
SCORED = 2**20  # numbers at a time, of permutations, conditions and classes: likewise
BLOCK = 2**22  # numbers at a time, of units, conditions and classes: likewise
NORMAL = NormalDist()

Measure = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""Numbers (...) by name from scores (..., conditions)."""


class Interval(NamedTuple):
    """Edges of the intervals at `LEVEL`; NaN where there are none. That of the jackknife is what is shown."""

    percentile: tuple[float, float]
    bca: tuple[float, float]
    jackknife: tuple[float, float]


class Scores(NamedTuple):
    """What intervals need of a model, which is far smaller than its counts."""

    estimate: np.ndarray  # (conditions,) of all units
    resampled: np.ndarray  # (R, conditions)
    jackknifed: np.ndarray  # (N, conditions) without each block of units in turn
    blocks: Blocks

    def select(self, places: Sequence[int]) -> "Scores":
        """The scores of some conditions."""
        resampled, jackknifed = self.resampled[..., places], self.jackknifed[..., places]
        return Scores(self.estimate[..., places], resampled, jackknifed, self.blocks)


def sum_by_unit(ratio: Ratio, units: Sequence[str]) -> Ratio:
    """Sums (U, conditions, k) over the images (N, conditions, k) of each unit, units in the order of their names."""
    names, places = np.unique(np.asarray(units), return_inverse=True)

    def sum_units(part: np.ndarray) -> np.ndarray:
        total = np.zeros((len(names), *part.shape[1:]), dtype=np.result_type(part, np.int64))
        np.add.at(total, places, part)
        return total

    return ratio.apply(sum_units)


def _flatten(part: np.ndarray) -> np.ndarray:
    return part.reshape(len(part), -1).astype(np.float64)  # whole numbers below 2^53: their sums stay exact


@lru_cache(maxsize=1)  # the same for every piece of the conditions, and for every record of the same images
def _draw_units(blocks: Blocks, resamples: int, seed: int) -> np.ndarray:
    """How often each unit is drawn in each resample, (R, N)."""
    return blocks.draw(resamples, CHUNK, seed)


def split_conditions(shape: Sequence[int]) -> list[slice]:
    """The conditions of counts (N, conditions, ...), a few at a time: all of them at once may not fit into memory."""
    units, conditions, *rest = shape
    step = max(1, BLOCK // max(1, units * int(np.prod(rest))))
    return [slice(start, start + step) for start in range(0, conditions, step)]


def bootstrap(ratio: Ratio, resamples: int = RESAMPLES, seed: int = 0, blocks: Blocks | None = None) -> np.ndarray:
    """Scores of data sets drawn from the units with replacement (bootstrap; Efron, Ann. Statist. 1979).

    Args:
        ratio: (N, conditions, k) of each unit; a unit is drawn with all its conditions.
        resamples: R; none if 0, where the jackknife alone is wanted.
        seed: of the draw; the same one draws the same units, so that two models can be compared in pairs.
        blocks: of units that follow each other; independent ones if `None`.

    Returns:
        (R, conditions).
    """
    if not resamples:
        return np.empty((0, ratio.numerator.shape[1]))
    draws = _draw_units(blocks or make_independent(len(ratio.numerator)), resamples, seed)
    pieces = (ratio.apply(partial(_select_conditions, at=at)) for at in split_conditions(ratio.numerator.shape))
    return np.concatenate([_score_draws(piece, draws) for piece in pieces], axis=-1)


def _select_conditions(part: np.ndarray, at: slice) -> np.ndarray:
    return part[:, at]


def _score_draws(ratio: Ratio, draws: np.ndarray) -> np.ndarray:
    """Scores (R, conditions) of units (N, conditions, k) in each draw (R, N)."""
    shape, flat = ratio.numerator.shape[1:], ratio.apply(_flatten)
    found = []
    for start in range(0, len(draws), CHUNK):
        chosen = draws[start : start + CHUNK].astype(np.float64)
        drawn = Ratio(chosen @ flat.numerator, chosen @ flat.denominator, ratio.gaps)
        found.append(compute_score(drawn.apply(lambda part: part.reshape(-1, *shape))))
    return np.concatenate(found)


def point_estimate(ratio: Ratio) -> np.ndarray:
    """Scores (conditions,) of all units."""
    return compute_score(ratio.apply(lambda part: part.sum(0)))


def jackknife(ratio: Ratio, blocks: Blocks | None = None) -> np.ndarray:
    """Scores (N, conditions) of the data set without each unit in turn, or without each block of them (Künsch 1989)."""
    number, *shape = ratio.numerator.shape
    step, totals = max(1, BLOCK // max(1, int(np.prod(shape)))), ratio.apply(lambda part: part.sum(0))
    blocks = blocks or make_independent(number)
    removed = ratio.apply(blocks.sum_blocks)

    def score_without(start: int) -> np.ndarray:
        numerator, denominator = (part[start : start + step] for part in removed[:2])
        return compute_score(Ratio(totals.numerator - numerator, totals.denominator - denominator, ratio.gaps))

    return np.concatenate([score_without(start) for start in range(0, number, step)])


def percentile_interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """The middle `level` of resampled values (R,); NaN if none exists."""
    return _find_quantiles(values, (1 - level) / 2, (1 + level) / 2)


def bca_interval(
    estimate: float, values: np.ndarray, jackknife: np.ndarray, level: float = LEVEL
) -> tuple[float, float]:
    """Bias-corrected and accelerated interval (Efron, J. Am. Stat. Assoc. 1987).

    Args:
        estimate: from all units.
        values: (R,) from resamples.
        jackknife: (N,) without each unit in turn.
        level: of the interval.

    Returns:
        Its edges; those of the percentile interval where the correction does not exist: all resamples on one side of
        the estimate, or no variation.
    """
    values, jackknife = values[~np.isnan(values)], jackknife[~np.isnan(jackknife)]
    under, over = (np.sum(values < estimate + sign * ROUNDING) for sign in (-1, 1))  # halfway: equals count half
    below = (under + over) / (2 * max(1, len(values)))
    varies = len(jackknife) > 0 and np.ptp(jackknife) > ROUNDING
    if not 0 < below < 1 or not varies:
        return percentile_interval(values, level)
    deviations = jackknife.mean() - jackknife
    bias, acceleration = NORMAL.inv_cdf(below), np.sum(deviations**3) / (6 * np.sum(deviations**2) ** 1.5)

    def correct(tail: float) -> float:
        shifted = bias + NORMAL.inv_cdf(tail)
        return NORMAL.cdf(bias + shifted / (1 - acceleration * shifted))

    return _find_quantiles(values, correct((1 - level) / 2), correct((1 + level) / 2))


def _find_quantiles(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    first, last = np.quantile(values, [low, high])
    return float(first), float(last)


def estimate_scores(
    parts: Iterable[Ratio], resamples: int = RESAMPLES, seed: int = 0, blocks: Blocks | None = None
) -> Scores:
    """Scores of a model.

    Args:
        parts: its ratio (N, conditions, k) of each unit, perhaps a few conditions at a time.
        resamples: R, bootstrap resamples.
        seed: of the draw.
        blocks: of units that follow each other; independent ones if `None`.
    """
    found = [
        (point_estimate(part), bootstrap(part, resamples, seed, blocks), jackknife(part, blocks)) for part in parts
    ]
    estimate, resampled, jackknifed = (np.concatenate(kind, axis=-1) for kind in zip(*found, strict=True))
    return Scores(estimate, resampled, jackknifed, blocks or make_independent(len(jackknifed)))


def compute_intervals(
    ratio: Ratio,
    measure: Measure,
    resamples: int = RESAMPLES,
    seed: int = 0,
    scale: Callable[[str], Scale] = lambda name: "difference",
    blocks: Blocks | None = None,
) -> dict[str, Interval]:
    """Intervals of every number that `measure` makes of scores.

    Args:
        ratio: (N, conditions, k) of each unit.
        measure: scores (..., conditions) to numbers (...).
        resamples: bootstrap resamples.
        seed: of the draw.
        scale: of each number by its name.
        blocks: of units that follow each other; independent ones if `None`.
    """
    models = [estimate_scores([ratio], resamples, seed, blocks)]
    return compute_joint_intervals(models, lambda scores: measure(scores[0]), scale)


def compute_joint_intervals(
    models: Sequence[Scores],
    measure: Callable[[Sequence[np.ndarray]], Mapping[str, np.ndarray]],
    scale: Callable[[str], Scale] = lambda name: "difference",
) -> dict[str, Interval]:
    """Intervals of numbers that follow from several models, all on the same resamples of the same units.

    Args:
        models: scores of each.
        measure: scores (..., conditions) of each model to numbers (...).
        scale: of each number by its name.
    """
    estimates = measure([model.estimate for model in models])
    values = measure([model.resampled for model in models])
    jackknifed, blocks = measure([model.jackknifed for model in models]), models[0].blocks
    return {
        name: Interval(
            percentile_interval(values[name]),
            bca_interval(float(estimate), values[name], jackknifed[name]),
            jackknife_interval(float(estimate), jackknifed[name], scale(name), LEVEL, blocks),
        )
        for name, estimate in estimates.items()
    }


def permutation_test(
    one: Ratio,
    other: Ratio,
    measure: Measure,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    blocks: Blocks | None = None,
) -> dict[str, float]:
    """Two-sided p values of no difference between two models on the same units (Fisher's randomisation test).

    If the models were alike, it would not matter which of them made which of a unit's two predictions: each
    permutation swaps each unit's with probability one half, or those of a block of units that follow each other. The p
    value is the ratio of permutations, the observed one among them, that differ at least as much as was observed. NaN
    where a score does not exist.

    Args:
        one: (N, conditions, k) of each unit.
        other: likewise, of the same units.
        measure: scores (..., conditions) to numbers (...).
        permutations: drawn ones.
        seed: of the draw.
        blocks: of units that follow each other; independent ones if `None`.
    """
    totals = [measure(point_estimate(ratio)) for ratio in (one, other)]
    observed = {name: abs(float(totals[1][name] - totals[0][name])) for name in totals[0]}
    reached = dict.fromkeys(observed, 1)
    for left, right in _score_swapped(one, other, permutations, seed, blocks):
        first, second = measure(left), measure(right)
        for name, difference in observed.items():
            smaller = np.abs(second[name] - first[name]) < difference - ROUNDING
            reached[name] += int(np.sum(~smaller))  # one without a score is no evidence of a difference
    return {
        name: float("nan") if np.isnan(observed[name]) else count / (permutations + 1)
        for name, count in reached.items()
    }


def _score_swapped(
    one: Ratio, other: Ratio, permutations: int, seed: int, blocks: Blocks | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Scores (R, conditions) of both models after swapping their units at random, some swaps at a time.

    Swaps are drawn a chunk at a time, on which what is drawn depends, and scored as many at a time as memory allows.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    number, *shape = one.numerator.shape
    blocks = blocks or make_independent(number)
    parts = [(_flatten(left), _flatten(right)) for left, right in zip(one[:2], other[:2], strict=True)]
    sizes = [min(CHUNK, permutations - start) for start in range(0, permutations, CHUNK)]
    chunks = max(1, SCORED // max(1, CHUNK * math.prod(shape)))
    for start in range(0, len(sizes), chunks):
        drawn = [blocks.draw_swaps(size, random) for size in sizes[start : start + chunks]]
        swaps = np.concatenate(drawn).astype(np.float64)
        moved = [swaps @ (right - left) for left, right in parts]

        def score_side(side: int, sign: int, moved: Sequence[np.ndarray] = moved) -> np.ndarray:
            summed = [
                (pair[side].sum(0) + sign * move).reshape(-1, *shape) for pair, move in zip(parts, moved, strict=True)
            ]
            return compute_score(Ratio(summed[0], summed[1], one.gaps))

        yield score_side(0, 1), score_side(1, -1)


def adjust_p_values(p_values: Mapping[str, float]) -> dict[str, float]:
    """P values adjusted for their number (Holm, Scand. J. Stat. 1979); NaN stays and counts for none."""
    ordered = sorted((value, name) for name, value in p_values.items() if not np.isnan(value))
    adjusted: dict[str, float] = {}
    largest = 0.0
    for place, (value, name) in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - place) * value))
        adjusted[name] = largest
    return {name: adjusted.get(name, float("nan")) for name in p_values}
