"""Tables of the report as pure functions of records: texts and sort keys of their cells, without their markup."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from experiments.evaluation.metric_summary import ABOVE, CORRUPTION, MetricSummary, StatedNumber
from experiments.evaluation.record import Record
from experiments.evaluation.robustness import CLEAN, compute_corrupted_mean, compute_known_corrupted_mean
from experiments.evaluation.scores.base import as_number
from experiments.files.tables import format_edges, format_percent
from experiments.reporting.leaderboard_table import BRIEF, NUMBERS
from experiments.reporting.svg import SeriesStyle, draw_interval_bar, find_style


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


Value = Callable[["Ranked"], float | None]


class Ranked(NamedTuple):
    """A record on the leaderboard, with its summaries, the first of which ranks."""

    rank: int
    record: Record
    summaries: Sequence[MetricSummary]


HINTS = {
    "clean": "of the images as they are",
    "corrupted": "mean over corruptions of the mean over their severities",
    "retention": "corrupted as a share of clean",
    ABOVE: "the same of what exceeds the floor",
    "seen": "mean over corruptions that the training of some record has met, or relatives of theirs",
    "unseen": "mean over the other corruptions",
}


def make_leaderboard_table(ranked: Sequence[Ranked], mixed: bool) -> tuple[list[Column], list[Row]]:
    """Columns after rank and name, and rows; `mixed` tables have a column of what each row was measured on."""
    makers: list[tuple[Column, Callable[[Ranked], Entry]]] = [
        *_make_score_columns(ranked),
        (
            Column("boundary IoU", "clean; mean over classes, near the contours"),
            _make_plain_entry(_select_clean("boundary_iou")),
        ),
        (Column("ECE clean", "expected calibration error", True), _make_plain_entry(_select_clean("ece"))),
        (
            Column("ECE corrupted", "mean over corruptions of the mean over their severities", True),
            _make_plain_entry(lambda one: find_corrupted_mean(one.record, "ece")),
        ),
        (Column("worst condition", "the lowest score, and its severity"), _make_worst_entry),
    ]
    shifts = dict.fromkeys(name for one in ranked for name in one.record.summary.shifts)
    makers += [
        (Column(name.replace("_", " "), "real shift"), _make_plain_entry(_select_shift(name))) for name in shifts
    ]
    corruptions = dict.fromkeys(name for one in ranked for name in one.record.summary.corruptions)
    makers += [
        (Column(name.replace("_", " "), "mean over severities"), _make_summary_entry(0, f"{CORRUPTION}{name}"))
        for name in corruptions
    ]
    if mixed:
        makers.insert(0, (Column("data and suite", "what the row was measured on", True), _make_origin_entry))
    columns = [column for column, _ in makers]
    table = [[make(one) for _, make in makers] for one in ranked]
    _mark_best(columns, table)
    return columns, [
        Row(one.rank, one.record.name, find_style(place), entries)
        for place, (one, entries) in enumerate(zip(ranked, table, strict=True))
    ]


def make_floor_entries(ranked: Sequence[Ranked], columns: Sequence[Column]) -> list[str] | None:
    """The floor below each column of the leaderboard, or an empty text; `None` where there is none."""
    floors = {
        NUMBERS[name].format(metric=one.metric.title): one.floor.get(name)
        for one in ranked[0].summaries
        for name in BRIEF
    }
    if not any(value is not None for value in floors.values()):
        return None
    return ["" if floors.get(column.title) is None else format_percent(floors[column.title]) for column in columns]


def _make_score_columns(ranked: Sequence[Ranked]) -> list[tuple[Column, Callable[[Ranked], Entry]]]:
    """Columns of the first metric in full, and of the others in brief."""
    makers: list[tuple[Column, Callable[[Ranked], Entry]]] = []
    for place, summary in enumerate(ranked[0].summaries):
        metric = summary.metric
        for name, title in NUMBERS.items():
            if any(name in one.summaries[place].numbers for one in ranked) and (place == 0 or name in BRIEF):
                column = Column(title.format(metric=metric.title), HINTS[name], metric.lower_is_better)
                makers.append((column, _make_summary_entry(place, name)))
    for kind in dict.fromkeys(kind for one in ranked for kind in one.record.summary.means):
        title = f"{kind} {ranked[0].summaries[0].metric.title}"
        makers.append((Column(title, f"mean over the conditions of the kind {kind}"), _make_summary_entry(0, kind)))
    return makers


def _make_summary_entry(place: int, name: str) -> Callable[[Ranked], Entry]:
    def make_entry(one: Ranked) -> Entry:
        found = one.summaries[place].numbers.get(name, StatedNumber(None, (None, None)))
        value, edges = found
        return Entry(format_percent(value), value, format_edges(edges), draw_interval_bar(value, *edges))

    return make_entry


def _make_worst_entry(one: Ranked) -> Entry:
    summary, record = one.summaries[0], one.record
    cells = [(cell.value, place) for place, cell in enumerate(summary.cells) if record.conditions[place] != (CLEAN, 0)]
    known = [(value, place) for value, place in cells if value is not None]
    if not known:
        return Entry("-", None)
    value, place = min(known)
    corruption, severity = record.conditions[place]
    words = f"{corruption.replace('_', ' ')}{f' {severity}' if severity else ''}"
    return Entry(words, value, format_percent(value))


def _make_plain_entry(value: Value) -> Callable[[Ranked], Entry]:
    def make_entry(one: Ranked) -> Entry:
        found = value(one)
        return Entry(format_percent(found), found)

    return make_entry


def _select_clean(name: str) -> Value:
    return lambda one: find_clean_score(one.record, name)


def _select_shift(name: str) -> Value:
    def select(one: Ranked) -> float | None:
        cells = dict(zip(one.record.conditions, one.summaries[0].cells, strict=True))
        return cells[name, 0].value if (name, 0) in cells else None

    return select


def _make_origin_entry(one: Ranked) -> Entry:
    record = one.record
    suite = f"{record.suite.title}, corrupted {record.suite.order_in_words}"
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


def make_score_table(records: Sequence[Record], summaries: Sequence[MetricSummary]) -> list[tuple[str, int, list[str]]]:
    """Corruption, severity and, for each record, a score in percent with its interval: every condition of any record."""
    found = [
        dict(zip(one.conditions, summary.cells, strict=True)) for one, summary in zip(records, summaries, strict=True)
    ]
    conditions = dict.fromkeys(condition for record in records for condition in record.conditions)
    return [
        (name.replace("_", " "), severity, [_format_score(cells.get((name, severity))) for cells in found])
        for name, severity in conditions
    ]


def _format_score(cell: StatedNumber | None) -> str:
    return "" if cell is None else f"{format_percent(cell.value)} {format_edges(cell.edges)}".strip()
