"""Tables of further tasks in the report, as pure functions of records."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.evaluation.compared_metrics import COMPARED, Metric
from experiments.evaluation.record import Cell, Record
from experiments.evaluation.robustness import CLEAN, compute_known_corrupted_mean
from experiments.evaluation.scores.base import as_number


class TaskColumn(NamedTuple):
    """A record that learned further tasks; it may share the page with others that did not."""

    record: int
    name: str


class TaskRow(NamedTuple):
    """A score of a task, clean and as a mean over corruptions, of each record; blank where one has no such task."""

    title: str
    lower_is_better: bool
    values: list[tuple[str, str]]


class TaskTables(NamedTuple):
    """What the page shows; without columns there is nothing."""

    columns: list[TaskColumn]
    rows: list[TaskRow]
    conditions: list[tuple[str, int, list[str]]]  # corruption, severity and, for each title and column, the score
    titles: list[str]


def make_task_tables(records: Sequence[Record]) -> TaskTables:
    """Of all records that learned further tasks."""
    stated = [{name for cell in record.cells for name in cell.scores} for record in records]
    metrics = [one for one in COMPARED.values() if one.task is not None and any(one.name in names for names in stated)]
    own = [place for place, names in enumerate(stated) if any(one.name in names for one in metrics)]
    cells = {at: {(cell.corruption, cell.severity): cell for cell in records[at].cells} for at in own}
    conditions = dict.fromkeys(condition for at in own for condition in records[at].conditions)
    return TaskTables(
        [TaskColumn(at, records[at].name) for at in own],
        [
            TaskRow(
                _make_title(metric),
                metric.lower_is_better,
                [_format_clean_and_corrupted(records[at], metric) for at in own],
            )
            for metric in metrics
        ],
        [
            (
                name.replace("_", " "),
                severity,
                [_format_score(cells[at].get((name, severity)), one) for one in metrics for at in own],
            )
            for name, severity in conditions
        ],
        [_make_title(metric) for metric in metrics],
    )


def _make_title(metric: Metric) -> str:
    unit = {"percent": ", %", "number": ""}.get(metric.unit, f", {metric.unit}")
    return f"{metric.title.replace('f1', 'F1').replace('psnr', 'PSNR')}{unit}"


def _find_value(cell: Cell | None, metric: Metric) -> float | None:
    found = None if cell is None else cell.scores.get(metric.name)
    return None if isinstance(found, list) else found


def _format_score(cell: Cell | None, metric: Metric) -> str:
    return metric.format_value(_find_value(cell, metric))


def _format_clean_and_corrupted(record: Record, metric: Metric) -> tuple[str, str]:
    """Clean, and the mean over corruptions of those conditions that are scored."""
    scores = np.array([_find_value(cell, metric) for cell in record.cells], dtype=np.float64)
    clean = scores[record.conditions.index((CLEAN, 0))]
    conditions = [record.conditions[place] for place in record.headline_places]
    means = (as_number(clean), as_number(compute_known_corrupted_mean(scores[record.headline_places], conditions)))
    return metric.format_value(means[0]), metric.format_value(means[1])
