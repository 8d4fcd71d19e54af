"""From the summed counts of a task to its scores; no torch, so that whoever reads a record knows them too."""

import math
from collections.abc import Callable, Mapping, Sequence

from lightning_modules.metrics.fixed_point import UNIT

TASK = "task_"
"""How the counts of a task are called wherever they stand among other arrays, before its name."""

Sums = Sequence[int]
Scores = dict[str, float | None]


def quotient(part: float, whole: float) -> float | None:
    """`part` of `whole`; nothing of nothing."""
    return part / whole if whole else None


def classification(sums: Sums) -> Scores:
    """Macro F1 over the classes that are shown or said to be; (right, said, shown) of each class."""
    triples = [sums[place : place + 3] for place in range(0, len(sums), 3)]
    found = [2 * right / (said + shown) for right, said, shown in triples if said + shown]
    return {"f1": quotient(sum(found), len(found))}


def boundary(sums: Sums) -> Scores:
    """F1 of boundary pixels; (right, said, true)."""
    right, said, true = sums
    return {"f1": quotient(2 * right, said + true)}


def distance(sums: Sums) -> Scores:
    """Mean absolute error in pixels; (pixels, errors)."""
    pixels, errors = sums
    return {"error": quotient(errors / UNIT, pixels)}


def depth(sums: Sums) -> Scores:
    """Share of pixels within a factor of 1.25, and mean relative error; (pixels, close, errors)."""
    pixels, close, errors = sums
    return {"delta1": quotient(close, pixels), "relative_error": quotient(errors / UNIT, pixels)}


def reconstruction(sums: Sums) -> Scores:
    """Peak signal-to-noise ratio in dB; (values, squared errors). Nothing where there is no error."""
    values, errors = sums
    return {"psnr": 10 * math.log10(255**2 * values / errors) if errors else None}


SCORES: Mapping[str, Callable[[Sums], Scores]] = {
    score.__name__: score for score in (classification, boundary, distance, depth, reconstruction)
}
"""By the name of the task."""
