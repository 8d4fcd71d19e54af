"""Layouts of published tables: each becomes entries of one form, and these become models."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.evaluation.kinds import CLEAN, CORRUPTION, SHIFT
from experiments.evaluation.published import Description, Published, Stated, Statement, Table

MISSING = ("", "-", "#N/A", "n/a", "nan")
"""Cells of a condition that a model was not evaluated under."""

KEYS = ("model", "data", "family")
"""Columns that say of what a row is."""

Row = Mapping[str, str]


class Entry(NamedTuple):
    """What a table says in one place: the score or error of a condition, or a number that its source states."""

    model: str
    data: str
    family: str
    condition: str
    severity: str
    text: str


def make_table(name: str, described: Description, columns: Sequence[str], rows: Sequence[Row]) -> Table:
    """A table of its cells, which are texts.

    Raises:
        KeyError: a column is missing.
        ValueError: a cell is no number, is out of its range or stands twice, or a model has no clean score.
    """
    if described.layout == "long" and "error" in columns:
        described = described.model_copy(update={"cells": "error"})
    entries = [entry for entry in LAYOUTS[described.layout](described, columns, rows) if entry.text not in MISSING]
    if not entries:
        raise ValueError("it has no cells")
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.data, entry.model), []).append(entry)
    steps = _find_steps(described, entries)
    return Table(name, described, [_make_model(described, group, steps) for group in groups.values()], steps[""])


def _read_long(described: Description, columns: Sequence[str], rows: Sequence[Row]) -> Iterator[Entry]:
    values = [column for column in ("score", "error") if column in columns]
    if len(values) != 1:
        raise ValueError("it needs one of the columns score and error")
    unknown = {*columns} - {*KEYS, "corruption", "severity", "metric", *values}
    if unknown:
        raise ValueError(f"the column {min(unknown)!r} is none of a long table")
    for row in rows:
        if row.get("metric", described.metric) == described.metric:
            severity = row.get("severity", "")
            yield Entry(*_read_keys(row), row["corruption"], severity, row[values[0]])


def _read_models(described: Description, columns: Sequence[str], rows: Sequence[Row]) -> Iterator[Entry]:
    for row in rows:
        for column in columns:
            if column not in KEYS:
                name = ("", column) if column in described.stated else (column, "")
                yield Entry(*_read_keys(row), *name, row[column])


def _read_severities(described: Description, columns: Sequence[str], rows: Sequence[Row]) -> Iterator[Entry]:
    yield Entry(str(described.model), "", "", CLEAN, "0", str(described.clean))
    for row in rows:
        for column in columns:
            if column != "corruption":
                yield Entry(str(described.model), "", "", row["corruption"], column, row[column])


LAYOUTS: dict[str, Callable[[Description, Sequence[str], Sequence[Row]], Iterator[Entry]]] = {
    "long": _read_long,
    "models": _read_models,
    "severities": _read_severities,
}


def _read_keys(row: Row) -> tuple[str, str, str]:
    return row["model"], row.get("data", ""), row.get("family", "")


def _make_model(described: Description, entries: Sequence[Entry], steps: Mapping[str, float]) -> Published:
    cells: dict[tuple[str, int], float] = {}
    stated: dict[str, Statement] = {}
    for entry in entries:
        if entry.severity in described.stated:
            key, statement = _read_statement(described, entry, steps[entry.severity])
            twice, stated[key] = key in stated, statement
        else:
            condition = (entry.condition, _find_severity(described, entry))
            twice, cells[condition] = condition in cells, _read_score(described, entry)
        if twice:
            raise ValueError(f"{entry.model!r} has {entry.condition or entry.severity!r} twice")
    if (CLEAN, 0) not in cells:
        raise ValueError(f"{entries[0].model!r} has no score of the condition 'clean'")
    first = entries[0]
    kinds = [described.find_kind(name) for name, _ in cells]
    return Published(first.model, list(cells), np.array([*cells.values()]), kinds, first.data, first.family, stated)


def _find_severity(described: Description, entry: Entry) -> int:
    if described.find_kind(entry.condition) in (CLEAN, SHIFT):
        return 0
    usual = described.severity if described.find_kind(entry.condition) == CORRUPTION else None
    severity = int(entry.severity) if entry.severity else usual or 1
    if severity < 1:
        raise ValueError(f"{entry.condition!r} stands at severity {severity}, which is below 1")
    return severity


def _read_number(entry: Entry) -> float:
    number = float(entry.text)
    if not np.isfinite(number):
        raise ValueError(f"{entry.text!r} is no finite number")
    return number


def _read_score(described: Description, entry: Entry) -> float:
    number = _read_number(entry)
    if not 0 <= number <= described.scale:
        raise ValueError(f"{entry.text!r} of {entry.model!r} is not between 0 and the scale, {described.scale:g}")
    ratio = round(number / described.scale, 12)  # 82.4 / 100 is not quite 0.824
    return ratio if described.cells == "score" else round(1 - ratio, 12)


def _read_statement(described: Description, entry: Entry, step: float) -> tuple[str, Statement]:
    stated: Stated = described.stated[entry.severity]
    of = (entry.condition,) if entry.condition else tuple(stated.of)
    value = round(_read_number(entry) / described.scale, 12)
    if described.cells == "error" and stated.number in ("mean", "lowest"):
        value = round(1 - value, 12)
    key = f"{entry.severity} of {entry.condition}" if entry.condition else entry.severity
    return key, Statement(stated.number, of, value, step)


def _find_steps(described: Description, entries: Sequence[Entry]) -> dict[str, float]:
    """A unit of the last digit that is printed, as a fraction: of the cells (``""``), and of each stated number."""
    digits = {"": 0}
    for entry in entries:
        kind = entry.severity if entry.severity in described.stated else ""
        digits[kind] = max(digits.get(kind, 0), len(entry.text.partition(".")[2]))
    return {kind: 10.0**-most / described.scale for kind, most in digits.items()}
