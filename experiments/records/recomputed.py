"""A record against itself: its scores from the counts of its cells, these and the intervals from those of its images."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.records.record import Bounds, Images, Record, Totals
from experiments.records.robustness import CLEAN, is_left_out
from experiments.records.scores import Counts, condition_scores, task_scores
from experiments.records.scoring import METHOD, find_intervals, resampled_units, summary_numbers
from lightning_modules.metrics.fixed_point import CALIBRATION_BINS, ODDS_BINS
from lightning_modules.tasks.scores import SCORES
from user_error import UserError

TOLERANCE = 1e-9


ALTERED = "the record was altered; write it anew with 'benchmark'"


def require_agreement(record: Record, path: Path) -> None:
    """Recompute a record from the counts in its cells.

    Raises:
        UserError: a shape, a score or a number of the summary is another; it is named.
    """
    _check_shapes(record, path)
    _check_left_out(record, path)
    _check_cells(record, path)
    _check_tasks(record, path)
    _check_summary(record, path)


def cell_name(record: Record, place: int) -> str:
    """A cell as a sentence about it begins."""
    corruption, severity = record.conditions[place]
    return f"the cell {corruption}, severity {severity},"


def _check_shapes(record: Record, path: Path) -> None:
    if len(set(record.conditions)) != len(record.conditions) or (CLEAN, 0) not in record.conditions:
        raise UserError(
            f"{str(path)!r}: its cells must name each condition once and 'clean' with severity 0 among them"
        )
    size = len(record.classes)
    wanted = Totals((size, size), (size, 3), (2,), (CALIBRATION_BINS, 3), (ODDS_BINS, 2))  # type: ignore[arg-type]
    for place, cell in enumerate(record.cells):
        for name, shape in wanted._asdict().items():
            try:
                found = np.shape(getattr(cell, name))
            except ValueError:  # rows of different lengths
                found = ()
            if found != shape:
                said = " x ".join(map(str, shape))
                raise UserError(f"{cell_name(record, place)} of {str(path)!r} has no {name} of {said} counts")


def _check_left_out(record: Record, path: Path) -> None:
    """What did nothing to the images has the counts of the clean ones."""
    clean = record.conditions.index((CLEAN, 0))
    totals = record.totals
    for name in record.left_out:
        places = [place for place, condition in enumerate(record.conditions) if is_left_out(condition, [name])]
        if not places or not all((part[places] == part[clean]).all() for part in totals):
            raise UserError(f"{str(path)!r} leaves {name!r} out, which its counts do not bear out: {ALTERED}")


def _check_cells(record: Record, path: Path) -> None:
    totals = record.totals
    counts = totals.counts()
    for place, cell in enumerate(record.cells):
        pixels = (totals.confusion[place].sum(), totals.confusion[place].trace())
        for name in ("calibration", "odds"):
            if tuple(getattr(totals, name)[place][:, :2].sum(0)) != pixels:
                raise UserError(
                    f"{cell_name(record, place)} of {str(path)!r}: its {name} and its confusion count other pixels: {ALTERED}"
                )
        own = Counts(*(part[place] for part in counts))
        wanted = condition_scores(own, totals.odds[place])
        for name, value in wanted.items():
            given = getattr(cell, name)
            if not _same(given, value):
                raise UserError(
                    f"{cell_name(record, place)} of {str(path)!r} states {name} {_shown(given)}, but its counts give "
                    f"{_shown(value)}: {ALTERED}"
                )


def _check_tasks(record: Record, path: Path) -> None:
    for place, cell in enumerate(record.cells):
        for name, task in (cell.tasks or {}).items():
            where = f"{cell_name(record, place)} of {str(path)!r}"
            if name not in SCORES:
                raise UserError(f"{where} has a task {name!r}, which this version does not know")
            try:
                wanted = task_scores(name, task.counts)
            except ValueError as error:  # another number of counts than the task has
                raise UserError(f"{where} does not have the counts of the task {name!r}: {ALTERED}") from error
            for key, one, other in _differing(task.scores, wanted, name):
                raise UserError(f"{where} states {key} {_shown(one)}, but its counts give {_shown(other)}: {ALTERED}")


def _check_summary(record: Record, path: Path) -> None:
    wanted = summary_numbers(record.conditions, record.totals, record.suite, record.left_out)
    given = record.summary.model_dump()
    for name, value in wanted.items():
        for key, one, other in _differing(given[name], value, name):
            raise UserError(
                f"the summary of {str(path)!r} states {key} {_shown(one)}, but its cells give {_shown(other)}: {ALTERED}"
            )
    method = METHOD.format(units=resampled_units(record.data.unit))
    if record.summary.interval_method != method:
        raise UserError(f"the intervals of {str(path)!r} are no {method}: {ALTERED}")


def require_tasks(record: Record, tasks: dict[str, np.ndarray], path: Path, file: Path) -> None:
    """The images' counts of further tasks add up to those of the cells."""
    for place, cell in enumerate(record.cells):
        stated = {name: one.counts for name, one in (cell.tasks or {}).items()}
        fits = all(
            part.ndim == 3 and part.shape[:2] == (record.data.images, len(record.cells)) for part in tasks.values()
        )
        if not fits or list(stated) != list(tasks):
            raise UserError(f"{str(file)!r} has other tasks than {path.name!r}: take both from one sweep")
        for name, part in tasks.items():
            if part[:, place].sum(0).tolist() != stated[name] or part[:, place].min(initial=0) < 0:
                raise UserError(
                    f"{cell_name(record, place)} of {str(path)!r}: its counts of {name} are not the sum of its images"
                )


def require_intervals(record: Record, images: Images, path: Path) -> None:
    """Recompute the intervals of a record from the counts of its images.

    Raises:
        UserError: one is another; it is named.
    """
    summary, cells = find_intervals(record.conditions, images, record.suite, record.left_out)
    given = record.summary.intervals
    if list(given) != list(summary):
        raise UserError(f"the summary of {str(path)!r} does not have the intervals of its numbers: {ALTERED}")
    for name, bounds in summary.items():
        _require_same_bounds(given[name], bounds, f"the summary of {str(path)!r} states for {name}")
    for place, (cell, bounds) in enumerate(zip(record.cells, cells, strict=True)):
        _require_same_bounds(cell.miou_interval, bounds, f"{cell_name(record, place)} of {str(path)!r} states")


def _require_same_bounds(given: Bounds, wanted: Bounds, where: str) -> None:
    for kind, one, other in _differing(given.model_dump(), wanted.model_dump(), "interval"):
        raise UserError(
            f"{where} an {kind.replace('.', ' ')} of {_shown(one)}, but its images give {_shown(other)}: {ALTERED}"
        )


def _differing(given: Any, wanted: Any, name: str) -> Iterable[tuple[str, Any, Any]]:
    """(name, given, wanted) of every number that differs; names are dotted."""
    if isinstance(given, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys([*given, *wanted]):
            yield from _differing(given.get(key, "nothing"), wanted.get(key, "nothing"), f"{name}.{key}")
    elif not _same(given, wanted):
        yield name, given, wanted


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_same(left, right) for left, right in zip(one, other, strict=True))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= TOLERANCE
    return one == other


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_shown(entry) for entry in value) + "]"
    return str(value)
