"""The scores that this version knows: those of all files of the family."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any

from experiments.evaluation.scores.base import Counts, CurveScore, MeanScore, Score


@cache
def find_known_scores() -> Mapping[str, Score]:
    """Every score by its name, in the order of the files' names and of their entries.

    Raises:
        ValueError: two files name a score alike.
    """
    package = importlib.import_module(__package__ or "")
    found: dict[str, Score] = {}
    for file in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
        entries = getattr(importlib.import_module(f"{__package__}.{file}"), "SCORES", {})
        if twice := found.keys() & entries.keys():
            raise ValueError(f"two files define the score {min(twice)!r}: rename that of {file}.py")
        found |= entries
    return found


def find_mean_scores() -> dict[str, MeanScore]:
    """The scores that add up over images, by name."""
    return {name: one for name, one in find_known_scores().items() if isinstance(one, MeanScore)}


def find_curve_scores() -> dict[str, CurveScore]:
    """The scores of how confidence ranks right and wrong pixels, by name."""
    return {name: one for name, one in find_known_scores().items() if isinstance(one, CurveScore)}


def compute_condition_scores(counts: Counts) -> dict[str, Any]:
    """All known scores that follow from the counts of one condition, ready for JSON.

    Args:
        counts: of the condition, without leading axes.

    Raises:
        ValueError: counts of another shape than a score needs.
    """
    return {name: one.score_sums(counts) for name, one in find_known_scores().items() if one.follows_from(counts)}
