"""Whether a published table agrees with itself: what its source states is recomputed from its cells."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from experiments.evaluation.kinds import CORRUPTION
from experiments.evaluation.published import Published, Statement, Table
from experiments.evaluation.robustness import (
    Condition,
    degradation_against_reference,
    group_by_corruption,
    select_clean_score,
)

FEWEST_EQUAL = 5
"""Corrupted cells of a model that are one and the same number, or those of another model, by more than chance."""


class Misstated(NamedTuple):
    """A number that does not follow from the cells of its row."""

    model: Published
    name: str
    stated: float
    recomputed: float


class Stuck(NamedTuple):
    """A model with one score under most of its corruptions."""

    model: Published
    clean: float
    score: float
    times: int  # that it stands in a corrupted cell
    total: int


def compute_number(
    statement: Statement, model: Published, reference: Published | None, shift: Sequence[float] = (0, 0, 0, 0)
) -> float | None:
    """A stated number, from the cells of its row.

    ``mean`` over corruptions of the mean over their severities; ``lowest``, of GAM over corruptions at one severity and of
    ReM over attacks (SemSegBench, Agnihotri et al. 2025, arXiv:2505.18015); ``mce`` and ``relative_mce``, of
    `robustness.degradation_against_reference`; ``mrr``, the mean over corruptions of RR, the mean score over severities
    relative to clean (Robo3D, Kong et al., ICCV 2023). Of a single corruption they are its mean, CE and RR.

    Args:
        statement: the number, and the conditions that it is of.
        model: whose cells.
        reference: that errors are relative to.
        shift: added to the scores under corruptions, to that of clean images, and to these two of the reference.

    Returns:
        `None` where a cell is missing.
    """
    places = _find_places(statement, model)
    if not places:
        return None
    conditions = [model.conditions[place] for place in places]
    scores = model.scores[places] + shift[0]
    if statement.number == "lowest":
        return float(scores.min())
    if statement.number == "mean":
        return _average_by_name(scores, conditions)
    clean = float(select_clean_score(model.scores, model.conditions)) + shift[1]
    if statement.number == "mrr":
        return _average_by_name(scores, conditions) / clean if clean > 0 else None
    if reference is None or not {*conditions} <= {*reference.conditions}:
        return None
    others = reference.scores[[reference.conditions.index(condition) for condition in conditions]] + shift[2]
    groups = group_by_corruption(conditions)
    found = degradation_against_reference(
        clean,
        {name: scores[at] for name, at in groups.items()},
        float(select_clean_score(reference.scores, reference.conditions)) + shift[3],
        {name: others[at] for name, at in groups.items()},
    )
    value = found["mcd" if statement.number == "mce" else "mrcd"]
    return None if np.isnan(value) else float(value)


def _average_by_name(scores: np.ndarray, conditions: Sequence[Condition]) -> float:
    """Mean over names of the mean over severities; of real conditions too, which have none."""
    names = np.array([name for name, _ in conditions])
    return float(np.mean([scores[names == name].mean() for name in dict.fromkeys(names)]))


def _find_places(statement: Statement, model: Published) -> list[int]:
    """Of the conditions of a statement; empty where the model lacks one that it names."""
    names = [name for name, _ in model.conditions]
    if not {*statement.of} <= {*names}:
        return []
    wanted = [name for name, kind in zip(names, model.kinds, strict=True) if kind == CORRUPTION]
    return [place for place, name in enumerate(names) if name in (statement.of or wanted)]


def find_misstated(table: Table) -> list[Misstated]:
    """The numbers that no cells could have which round to the printed ones.

    Each cell may be half a unit of its last digit off, and so may the stated number; all measures rise or fall with each
    cell, so that their extremes are at the ends of these ranges.
    """
    found = []
    for group in table.list_groups():
        reference = find_reference(group, table.description.reference)
        for model in group:
            for name, statement in model.stated.items():
                value = compute_number(statement, model, reference)
                if value is not None and not _may_round_to(statement, model, reference, table.step / 2):
                    found.append(Misstated(model, name, statement.value, value))
    return found


def _may_round_to(statement: Statement, model: Published, reference: Published | None, half: float) -> bool:
    ends = [compute_number(statement, model, reference, shift) for shift in product((-half, half), repeat=4)]
    known = [end for end in ends if end is not None]
    slack = statement.step / 2 + 1e-9
    return min(known) - slack <= statement.value <= max(known) + slack


def find_reference(models: Sequence[Published], name: str | None) -> Published | None:
    """The model of that name among those of a data set."""
    return next((model for model in models if model.name == name), None)


def find_stuck(models: Sequence[Published]) -> list[Stuck]:
    """Models with one and the same score under more than half of their corruptions, whatever these are.

    A network that calls every pixel by one class has that; so does a file that was filled in by mistake.
    """
    found = []
    for model in models:
        cells = [*_get_corrupted(model).values()]
        score, count = Counter(cells).most_common(1)[0] if cells else (0.0, 0)
        if count >= FEWEST_EQUAL and 2 * count > len(cells):
            clean = float(select_clean_score(model.scores, model.conditions))
            found.append(Stuck(model, clean, score, count, len(cells)))
    return found


def _get_corrupted(model: Published) -> dict[tuple[str, int], float]:
    cells = zip(model.conditions, model.kinds, model.scores.tolist(), strict=True)
    return {condition: score for condition, kind, score in cells if kind == CORRUPTION}


def find_copies(models: Sequence[Published]) -> list[tuple[Published, Published]]:
    """Pairs of models of one data set with the same score under every corruption: one has the cells of the other."""
    found = []
    for place, model in enumerate(models):
        for other in models[:place]:
            cells = _get_corrupted(model)
            if model.data == other.data and len(cells) >= FEWEST_EQUAL and cells == _get_corrupted(other):
                found.append((other, model))
    return found


def find_repeated(model: Published) -> list[tuple[str, str]]:
    """Pairs of corruptions under which a model has the same scores at three severities or more."""
    cells = _get_corrupted(model)
    groups = group_by_corruption(list(cells))
    scores = {name: [[*cells.values()][at] for at in places] for name, places in groups.items() if len(places) > 2}
    return [(one, other) for one, other in combinations(scores, 2) if scores[one] == scores[other]]


def find_broken(models: Sequence[Published]) -> list[Published]:
    """Models whose cells cannot be theirs: those that are stuck, and those that share them with another."""
    names = [(one.model.data, one.model.name) for one in find_stuck(models)]
    names += [(one.data, one.name) for pair in find_copies(models) for one in pair]
    return [model for model in models if (model.data, model.name) in names]
