"""Tables of the report as pure functions of records: texts and sort keys of their cells, without their markup."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from experiments.evaluation.record import Cell, Record
from experiments.evaluation.robustness import CLEAN, compute_corrupted_mean, compute_known_corrupted_mean
from experiments.evaluation.scores.base import as_number
from experiments.files.tables import format_percent
from experiments.reporting.charts import format_interval
from experiments.reporting.svg import SeriesStyle, draw_interval_bar, find_style

LEVELS = 10
"""Steps of the heat map's colours between nothing left and as good as clean."""


class Column(NamedTuple):
    """A column of a sortable table."""

    title: str
    hint: str = ""
    rising: bool = False  # the first click sorts the smallest to the top


class Entry(NamedTuple):
    """A cell of a sortable table."""

    text: str
    value: float | str | None  # what it is sorted by
    interval: str = ""
    bar: Markup = Markup("")
    best: bool = False


class Row(NamedTuple):
    """A record on the leaderboard."""

    rank: int
    name: str
    style: SeriesStyle
    entries: list[Entry]


def list_cell_scores(record: Record, name: str) -> np.ndarray:
    """A score of all cells (conditions,); NaN where a cell has none."""
    return np.array([cell.scores.get(name) for cell in record.cells], dtype=np.float64)


def find_clean_score(record: Record, name: str) -> float | None:
    """A score of the clean images."""
    return as_number(list_cell_scores(record, name)[record.conditions.index((CLEAN, 0))])


def find_corrupted_mean(record: Record, name: str) -> float | None:
    """Mean over corruptions of the mean over their severities of a score."""
    conditions = [record.conditions[place] for place in record.headline_places]
    return as_number(compute_corrupted_mean(list_cell_scores(record, name)[record.headline_places], conditions))


Value = Callable[[Record], float | None]


def _make_ratio_entry(record: Record, value: float | None, dotted: str) -> Entry:
    bounds = record.summary.intervals.get(dotted)
    edges = (None, None) if bounds is None else bounds.edges
    return Entry(format_percent(value), value, format_interval(edges), draw_interval_bar(value, *edges))


def _make_worst_entry(record: Record) -> Entry:
    worst = record.summary.worst
    if worst is None:
        return Entry("-", None)
    severity = f" {worst.severity}" if worst.severity else ""
    return Entry(f"{worst.corruption.replace('_', ' ')}{severity}", worst.miou, format_percent(worst.miou))


def make_leaderboard_table(ranked: Sequence[tuple[int, Record]], mixed: bool) -> tuple[list[Column], list[Row]]:
    """Columns after rank and name, and rows; `mixed` tables have a column of what each row was measured on."""
    makers: list[tuple[Column, Callable[[Record], Entry]]] = [
        (Column("clean mIoU", "of the images as they are"), _make_summary_entry("clean_miou")),
        (
            Column("corrupted mIoU", "mean over corruptions of the mean over their severities"),
            _make_summary_entry("mean_corrupted_miou"),
        ),
        (Column("retention", "corrupted mIoU as a share of clean mIoU"), _make_summary_entry("retention")),
        *(
            (Column(f"{kind} mIoU", f"mean over the conditions of the kind {kind}"), _make_kind_entry(kind))
            for kind in dict.fromkeys(kind for _, record in ranked for kind in record.summary.means)
        ),
        (
            Column("boundary IoU", "clean; mean over classes, near the contours"),
            _make_plain_entry(_select_clean("boundary_iou")),
        ),
        (Column("ECE clean", "expected calibration error", True), _make_plain_entry(_select_clean("ece"))),
        (
            Column("ECE corrupted", "mean over corruptions of the mean over their severities", True),
            _make_plain_entry(lambda record: find_corrupted_mean(record, "ece")),
        ),
        (Column("worst condition", "the lowest mIoU, and its severity"), _make_worst_entry),
    ]
    for group in ("shifts", "corruptions"):
        names = dict.fromkeys(name for _, record in ranked for name in getattr(record.summary, group))
        title = {"shifts": "real shift", "corruptions": "mean over severities"}[group]
        makers += [
            (Column(name.replace("_", " "), title), _make_plain_entry(_select_member(group, name))) for name in names
        ]
    if mixed:
        makers.insert(0, (Column("data and suite", "what the row was measured on", True), _make_origin_entry))
    columns = [column for column, _ in makers]
    table = [[make(record) for _, make in makers] for _, record in ranked]
    _mark_best(columns, table)
    return columns, [
        Row(rank, record.name, find_style(place), entries)
        for place, ((rank, record), entries) in enumerate(zip(ranked, table, strict=True))
    ]


def _make_summary_entry(name: str) -> Callable[[Record], Entry]:
    return lambda record: _make_ratio_entry(record, getattr(record.summary, name), name)


def _make_kind_entry(kind: str) -> Callable[[Record], Entry]:
    return lambda record: _make_ratio_entry(record, record.summary.means.get(kind), f"means.{kind}")


def _make_plain_entry(value: Value) -> Callable[[Record], Entry]:
    def make_entry(record: Record) -> Entry:
        found = value(record)
        return Entry(format_percent(found), found)

    return make_entry


def _select_clean(name: str) -> Value:
    return lambda record: find_clean_score(record, name)


def _select_member(group: str, name: str) -> Value:
    return lambda record: getattr(record.summary, group).get(name)


def _make_origin_entry(record: Record) -> Entry:
    suite = f"{record.suite.name} v{record.suite.version}, corrupted {record.suite.order_in_words}"
    text = f"{record.data.name} {record.data.split}, {suite}"
    return Entry(text, text)


def _mark_best(columns: Sequence[Column], table: list[list[Entry]]) -> None:
    """Mark the best entries of each column of numbers where there is something to compare."""
    for place, column in enumerate(columns):
        values = [row[place].value for row in table if isinstance(row[place].value, float)]
        if len(values) > 1:
            best = (min if column.rising else max)(values)  # type: ignore[type-var]
            for row in table:
                row[place] = row[place]._replace(best=row[place].value == best)


class Heat(NamedTuple):
    """A cell of the heat map."""

    record: int
    text: str
    level: str  # of the colour: 0 to `LEVELS`, or "above" clean
    tip: str
    columns: int = 1


class HeatRow(NamedTuple):
    """A corruption or a real shift, with the cells of all records."""

    name: str
    cells: list[Heat]


def make_heat_map(records: Sequence[Record]) -> tuple[list[int], list[HeatRow]]:
    """Severities, and a row for each corruption and real shift: mIoU as a share of the record's clean mIoU."""
    severities = sorted({severity for record in records for _, severity in record.conditions if severity})
    found = [{(cell.corruption, cell.severity): cell for cell in record.cells} for record in records]
    corrupted = dict.fromkeys(name for record in records for name, severity in record.conditions if severity)
    shifts = dict.fromkeys(name for record in records for name in record.summary.shifts)
    rows = []
    for name in corrupted:
        cells = [
            _make_heat(place, record, found[place].get((name, severity)))
            for place, record in enumerate(records)
            for severity in severities
        ]
        rows.append(HeatRow(name.replace("_", " "), cells))
    for name in shifts:
        single = [_make_heat(place, record, found[place].get((name, 0))) for place, record in enumerate(records)]
        rows.append(
            HeatRow(name.replace("_", " "), [cell._replace(columns=max(1, len(severities))) for cell in single])
        )
    return severities, rows


def _make_heat(place: int, record: Record, cell: Cell | None) -> Heat:
    clean = record.summary.clean_miou
    if cell is None or cell.miou is None or not clean:
        return Heat(place, "", "none", "")
    ratio = cell.miou / clean
    where = cell.corruption.replace("_", " ") + (f", severity {cell.severity}" if cell.severity else "")
    interval = format_interval(cell.miou_interval.edges)
    tip = f"{where}: {format_percent(cell.miou)} % {interval}".strip() + f", {format_percent(ratio)} % of clean"
    level = "above" if ratio > 1 + 0.5 / LEVELS else str(min(LEVELS, max(0, round(LEVELS * ratio))))
    return Heat(place, f"{100 * ratio:.0f}", level, tip)


class ClassScore(NamedTuple):
    """IoU of a class in one record: clean, and the mean over corruptions."""

    record: int
    clean: float | None
    corrupted: float | None

    @property
    def drop(self) -> float | None:
        """Drop from clean to corrupted."""
        return None if self.clean is None or self.corrupted is None else self.clean - self.corrupted


class ClassRow(NamedTuple):
    """A class, with the scores of all records that know it."""

    name: str
    scores: list[ClassScore]


def make_class_table(records: Sequence[Record]) -> list[ClassRow]:
    """A row for each class; records of other data may know other classes."""
    known = [
        dict(zip(_number_names(record.classes), find_class_scores(record, k), strict=True))
        for k, record in enumerate(records)
    ]
    keys = dict.fromkeys(key for scores in known for key in scores)
    return [
        ClassRow(key[0], [scores.get(key, ClassScore(place, None, None)) for place, scores in enumerate(known)])
        for key in keys
    ]


def _number_names(names: Sequence[str]) -> list[tuple[str, int]]:
    """Each name, and how often it came before."""
    seen: Counter[str] = Counter()
    keys = []
    for name in names:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


def find_class_scores(record: Record, place: int) -> list[ClassScore]:
    """IoU of each class, clean and as a mean over corruptions of those conditions in which the class occurs."""
    scores = np.array([cell.scores["class_iou"] for cell in record.cells], dtype=np.float64).T  # (K, conditions)
    clean = scores[:, record.conditions.index((CLEAN, 0))]
    conditions = [record.conditions[place] for place in record.headline_places]
    corrupted = [compute_known_corrupted_mean(one[record.headline_places], conditions) for one in scores]
    return [ClassScore(place, as_number(one), as_number(other)) for one, other in zip(clean, corrupted, strict=True)]


def make_score_table(records: Sequence[Record]) -> list[tuple[str, int, list[str]]]:
    """Corruption, severity and, for each record, mIoU in percent with its interval: every condition of any record."""
    found = [{(cell.corruption, cell.severity): cell for cell in record.cells} for record in records]
    conditions = dict.fromkeys(condition for record in records for condition in record.conditions)
    return [
        (name.replace("_", " "), severity, [_format_score(cells.get((name, severity))) for cells in found])
        for name, severity in conditions
    ]


def _format_score(cell: Cell | None) -> str:
    return "" if cell is None else f"{format_percent(cell.miou)} {format_interval(cell.miou_interval.edges)}".strip()
