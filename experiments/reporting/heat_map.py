"""The heat map of the report: what is left of each record's clean score under each condition."""

from collections.abc import Sequence
from typing import NamedTuple

from experiments.evaluation.metric_summary import MetricSummary, StatedNumber
from experiments.evaluation.record import Record
from experiments.evaluation.robustness import Condition
from experiments.files.tables import format_edges, format_percent

LEVELS = 10
"""Steps of the heat map's colours between nothing left and as good as clean."""


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


def make_heat_map(records: Sequence[Record], summaries: Sequence[MetricSummary]) -> tuple[list[int], list[HeatRow]]:
    """Severities, and a row for each corruption and real shift: a score as a share of the record's clean one."""
    severities = sorted({severity for record in records for _, severity in record.conditions if severity})
    found = [
        dict(zip(one.conditions, summary.cells, strict=True)) for one, summary in zip(records, summaries, strict=True)
    ]
    clean = [summary.numbers["clean"].value for summary in summaries]
    corrupted = dict.fromkeys(name for record in records for name, severity in record.conditions if severity)
    shifts = dict.fromkeys(name for record in records for name in record.summary.shifts)
    rows = []
    for name in corrupted:
        cells = [
            _make_heat(place, (name, severity), found[place].get((name, severity)), clean[place])
            for place in range(len(records))
            for severity in severities
        ]
        rows.append(HeatRow(name.replace("_", " "), cells))
    for name in shifts:
        single = [
            _make_heat(place, (name, 0), found[place].get((name, 0)), clean[place]) for place in range(len(records))
        ]
        rows.append(
            HeatRow(name.replace("_", " "), [cell._replace(columns=max(1, len(severities))) for cell in single])
        )
    return severities, rows


def _make_heat(place: int, condition: Condition, cell: StatedNumber | None, clean: float | None) -> Heat:
    if cell is None or cell.value is None or not clean:
        return Heat(place, "", "none", "")
    ratio = cell.value / clean
    where = condition[0].replace("_", " ") + (f", severity {condition[1]}" if condition[1] else "")
    interval = format_edges(cell.edges)
    tip = f"{where}: {format_percent(cell.value)} % {interval}".strip() + f", {format_percent(ratio)} % of clean"
    level = "above" if ratio > 1 + 0.5 / LEVELS else str(min(LEVELS, max(0, round(LEVELS * ratio))))
    return Heat(place, f"{100 * ratio:.0f}", level, tip)
