"""Verification of a record: its scores recomputed from the counts of its cells, the intervals from those of its images."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.evaluation.images import Images
from experiments.evaluation.kinds import CLEAN
from experiments.evaluation.known_counts import RELATIONS, is_nonnegative, list_known_shapes
from experiments.evaluation.protocol import find_unscored
from experiments.evaluation.record import Bounds, Record
from experiments.evaluation.robustness import is_left_out
from experiments.evaluation.scores.base import Counts
from experiments.evaluation.scores.known import compute_condition_scores, find_known_scores
from experiments.evaluation.scores.tasks import TASK
from experiments.evaluation.scoring import BOOTSTRAP, METHOD, compute_summary, find_intervals
from user_error import UserError

TOLERANCE = 1e-9

DECISIVE = ("confusion", "classes")
"""Counts that every record holds: robustness is stated in the mIoU, which follows from them."""

ALTERED = "the record was altered; write it anew with 'benchmark'"


def require_agreement(record: Record, path: Path) -> None:
    """Recompute a record from the counts in its cells; what it lacks of the known scores is put in.

    Scores and counts that this version does not know are passed over, but for the counts' form.

    Raises:
        UserError: a shape, a score or a number of the summary is another; it is named.
    """
    _check_forms(record, path)
    totals = record.totals
    _check_left_out(record, totals, path)
    for place in range(len(record.cells)):
        counts = {name: part[place] for name, part in totals.items()}
        _check_relations(record, place, counts, path)
        _check_scores(record, place, counts, path)
    _check_summary(record, totals, path)


def describe_cell(record: Record, place: int) -> str:
    """The subject of a sentence about a cell."""
    corruption, severity = record.conditions[place]
    return f"the cell {corruption}, severity {severity},"


def _check_forms(record: Record, path: Path) -> None:
    if len(set(record.conditions)) != len(record.conditions) or (CLEAN, 0) not in record.conditions:
        raise UserError(
            f"{str(path)!r}: its cells must name each condition once and 'clean' with severity 0 among them"
        )
    needed = {*DECISIVE} - record.counts.keys()
    if needed:
        raise UserError(f"{str(path)!r} has no counts of {min(needed)!r}: {ALTERED}")
    if not record.counts["classes"].per_image:
        raise UserError(f"{str(path)!r} does not count 'classes' image by image: {ALTERED}")
    known = list_known_shapes(len(record.classes))
    for name, form in record.counts.items():
        shape = known.get(name, tuple(form.shape))
        for place, cell in enumerate(record.cells):
            if name not in cell.counts or np.shape(cell.counts[name]) != shape or tuple(form.shape) != shape:
                sides = " x ".join(map(str, shape))
                raise UserError(f"{describe_cell(record, place)} of {str(path)!r} has no {name} of {sides} counts")
            if is_nonnegative(name, len(record.classes)) and np.min(cell.counts[name], initial=0) < 0:
                raise UserError(f"{describe_cell(record, place)} of {str(path)!r} has {name} below zero: {ALTERED}")
    for place, cell in enumerate(record.cells):
        if further := cell.counts.keys() - record.counts.keys():
            raise UserError(
                f"{describe_cell(record, place)} of {str(path)!r} has counts {min(further)!r} without their form"
            )


def _check_left_out(record: Record, totals: Counts, path: Path) -> None:
    """What did nothing to the images has the counts of the clean ones."""
    clean = record.conditions.index((CLEAN, 0))
    of_masks = [part for name, part in totals.items() if not name.startswith(TASK)]
    for name in record.left_out:
        places = [place for place, condition in enumerate(record.conditions) if is_left_out(condition, [name])]
        if not places or not all((part[places] == part[clean]).all() for part in of_masks):
            raise UserError(f"{str(path)!r} leaves {name!r} out, which its counts do not bear out: {ALTERED}")


def _check_relations(record: Record, place: int, counts: Counts, path: Path) -> None:
    unscored = find_unscored(record.suite.model_extra or {}, record.classes)
    for relation in RELATIONS:
        if {relation.one, relation.other} <= counts.keys() and not relation.holds(
            counts[relation.one], counts[relation.other], unscored
        ):
            raise UserError(
                f"{describe_cell(record, place)} of {str(path)!r}: its {relation.one} and its {relation.other} count other "
                f"pixels: {ALTERED}"
            )


def _check_scores(record: Record, place: int, counts: Counts, path: Path) -> None:
    cell, where = record.cells[place], f"{describe_cell(record, place)} of {str(path)!r}"
    try:
        wanted = compute_condition_scores(counts)
    except (IndexError, ValueError) as error:  # counts of another shape than a score needs
        raise UserError(f"{where} has counts of another shape than its scores need: {ALTERED}") from error
    for name, value in wanted.items():
        given = cell.scores.setdefault(name, value)
        if not _is_same(given, value):
            raise UserError(
                f"{where} states {name} {_format_value(given)}, but its counts give {_format_value(value)}: {ALTERED}"
            )
    for name in cell.scores.keys() & find_known_scores().keys() - wanted.keys():
        raise UserError(f"{where} states {name}, but does not hold the counts that it follows from: {ALTERED}")


def _check_summary(record: Record, totals: Counts, path: Path) -> None:
    wanted = compute_summary(record.conditions, totals, record.suite, record.left_out)
    stated = record.summary.model_dump(exclude_unset=True)
    for name, value in wanted.items():
        for key, one, other in _find_differing(stated.get(name, value), value, name):
            raise UserError(
                f"the summary of {str(path)!r} states {key} {_format_value(one)}, but its cells give "
                f"{_format_value(other)}: {ALTERED}"
            )
    record.summary = record.summary.model_copy(update={name: wanted[name] for name in wanted.keys() - stated.keys()})
    methods = [method.format(units=record.data.resampled_units) for method in (METHOD, BOOTSTRAP)]
    if record.summary.interval_method not in methods:
        raise UserError(f"the intervals of {str(path)!r} are no {methods[0]}: {ALTERED}")


def require_intervals(record: Record, images: Images, path: Path) -> None:
    """Recompute the intervals of a record from the counts of its images; those that it lacks are put in.

    Raises:
        UserError: one is another; it is named.
    """
    summary, cells = find_intervals(record.conditions, images, record.suite, record.left_out)
    for name, bounds in summary.items():
        given = record.summary.intervals.setdefault(name, bounds)
        _require_same_bounds(given, bounds, f"the summary of {str(path)!r} states for {name}")
    for place, (cell, bounds) in enumerate(zip(record.cells, cells, strict=True)):
        _require_same_bounds(cell.miou_interval, bounds, f"{describe_cell(record, place)} of {str(path)!r} states")
    record.summary.interval_method = METHOD.format(units=record.data.resampled_units)


def _require_same_bounds(given: Bounds, wanted: Bounds, where: str) -> None:
    if given.jackknife is None:
        given.jackknife = wanted.jackknife
    for kind, one, other in _find_differing(given.model_dump(), wanted.model_dump(), "interval"):
        raise UserError(
            f"{where} an {kind.replace('.', ' ')} of {_format_value(one)}, but its images give {_format_value(other)}: {ALTERED}"
        )


def _find_differing(given: Any, wanted: Any, name: str) -> Iterable[tuple[str, Any, Any]]:
    """(name, given, wanted) of every number that differs; names are dotted."""
    if isinstance(given, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys([*given, *wanted]):
            yield from _find_differing(given.get(key, "nothing"), wanted.get(key, "nothing"), f"{name}.{key}")
    elif not _is_same(given, wanted):
        yield name, given, wanted


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_is_same(left, right) for left, right in zip(one, other, strict=True))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= TOLERANCE
    return one == other


def _format_value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_format_value(entry) for entry in value) + "]"
    return str(value)
