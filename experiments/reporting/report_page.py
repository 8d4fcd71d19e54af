"""The page of a report: its contents as pure functions of records, and its rendering."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from experiments.evaluation.record import Record
from experiments.files.tables import format_percent
from experiments.record_files.record_checks import Check
from experiments.reporting.charts import (
    Reliability,
    draw_reliability_diagram,
    draw_risk_chart,
    draw_robustness_panels,
    draw_shift_chart,
    find_highest_risk,
)
from experiments.reporting.heat_map import make_heat_map
from experiments.reporting.origin import describe_origin, find_pictures, make_suite_tables
from experiments.reporting.svg import MARKERS, Figure, find_style
from experiments.reporting.tables import (
    Column,
    Entry,
    Ranked,
    find_clean_score,
    find_corrupted_mean,
    make_class_table,
    make_floor_entries,
    make_leaderboard_table,
    make_score_table,
)
from experiments.reporting.tasks import make_task_tables

PAGE = Path(__file__).parent / "page"

CROWD = 6
"""Number of records from which bands of intervals are shown for the highlighted record alone."""

RELIABILITY = {"ece": "ECE, %", "nll": "NLL, nats", "brier": "Brier score", "aurc": "AURC, %"}
RELIABILITY |= {"auroc": "AUROC of errors, %", "fpr95": "FPR at 95 % TPR, %"}


def describe_records(records: Sequence[Record]) -> str:
    """One line on the data, suites and intervals of the records."""
    kinds = dict.fromkeys(
        f"{record.data.name} ({record.data.split}, {record.data.images} images), suite {record.suite.title} "
        f"with {len(record.cells)} conditions, corrupted " + record.suite.order_in_words
        for record in records
    )
    methods = dict.fromkeys(record.summary.interval_method for record in records)
    number = "1 record" if len(records) == 1 else f"{len(records)} records"
    return f"{number} on {'; '.join(kinds)}. Intervals: {'; '.join(methods)}."


def make_reliability(records: Sequence[Record]) -> list[Reliability]:
    """Reliability diagrams and calibration scores of each record."""
    highest = find_highest_risk(records)
    return [
        Reliability(
            place,
            record.name,
            draw_reliability_diagram(record, place),
            draw_risk_chart(record, place, highest),
            [
                (
                    title,
                    _format_score(name, find_clean_score(record, name)),
                    _format_score(name, find_corrupted_mean(record, name)),
                )
                for name, title in RELIABILITY.items()
            ],
        )
        for place, record in enumerate(records)
    ]


def _format_score(name: str, value: float | None) -> str:
    if name in ("ece", "aurc", "auroc", "fpr95"):
        return format_percent(value)
    return "-" if value is None else f"{value:.3f}"


class Placement(NamedTuple):
    """How a page lies among others of a site; a report alone has none of this."""

    heading: str = "Leaderboard"
    trail: Sequence[tuple[str, str]] = ()
    """Text and address of the pages above it."""
    files: Sequence[tuple[str, str]] = ()
    """Text and address of what lies beside it."""
    addresses: Sequence[str] = ()
    """Of the page of each row."""
    checks: Sequence[Check] = ()
    """What was verified of the record."""
    column: tuple[Column, Sequence[Entry]] | None = None
    """A first column of the leaderboard."""
    drawn: int | None = None
    """How many rows the charts show; all if `None`."""
    in_full: bool = True
    """Whether reliability, pictures and origins are shown, which need the counts of the records' cells."""


ALONE = Placement()


def make_contents(
    ranked: Sequence[Ranked],
    paths: Sequence[Path],
    title: str,
    mixed: bool,
    seen: Sequence[str] = (),
    placement: Placement = ALONE,
) -> dict[str, Any]:
    """The variables of the page's template.

    Args:
        ranked: records in the order of their ranks.
        paths: that they were read from.
        title: of the page.
        mixed: whether they are of different suites or images.
        seen: corruptions that some training has met.
        placement: of the page in a site.

    Raises:
        UserError: a picture of a record was altered, or is not beside it.
    """
    columns, rows = make_leaderboard_table(ranked, mixed)
    if placement.column is not None:
        columns.insert(0, placement.column[0])
        for row, entry in zip(rows, placement.column[1], strict=True):
            row.entries.insert(0, entry)
    drawn, full = ranked[: placement.drawn], placement.in_full
    records, summaries = [one.record for one in drawn], [one.summaries[0] for one in drawn]
    severities, heat = make_heat_map(records, summaries)
    beside = list(zip([one.record for one in ranked], paths, strict=True)) if full else []
    return {
        "metric": summaries[0].metric.title,
        "floor": None if mixed else make_floor_entries(ranked, columns),
        "answers": {} if mixed else {one.metric.title: one.answer for one in ranked[0].summaries if one.answer},
        "seen": [name.replace("_", " ") for name in seen],
        "title": title,
        "lead": describe_records([one.record for one in ranked]),
        "placement": placement,
        "names": [record.name for record in records],
        "styles": [find_style(place) for place in range(len(records))],
        "markers": MARKERS,
        "crowded": len(records) >= CROWD,
        "columns": columns,
        "rows": rows,
        "panels": draw_robustness_panels(records, summaries),
        "shifts": draw_shift_chart(records, summaries),
        "scores": make_score_table(records, summaries),
        "severities": severities,
        "heat": heat,
        "reliability": make_reliability(records) if full else [],
        "classes": make_class_table(records),
        "tasks": make_task_tables(records),
        "pictures": find_pictures(beside),
        "suites": make_suite_tables(records),
        "origins": [describe_origin(one.rank, *pair) for one, pair in zip(ranked, beside, strict=False)],
    }


class Charts:
    """Collects the points of the charts for the page's script, in the order in which the page shows them."""

    def __init__(self) -> None:
        self.data: list[dict[str, Any]] = []

    def add(self, chart: Figure) -> int:
        """Add a chart to the script's data, and return its number."""
        self.data.append({"title": chart.title, "points": [list(point) for point in chart.points]})
        return len(self.data) - 1


def make_policy_digest(text: str) -> str:
    """The source expression of an inline style or script in a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def render(shown: dict[str, Any], template: str = "page.html.jinja") -> str:
    """Render the page; text of records is escaped, and the policy allows the page's own style and script alone."""
    style, script = ((PAGE / name).read_text(encoding="utf-8") for name in ("style.css", "page.js"))
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    policy = (
        f"default-src 'none'; img-src data:; style-src {make_policy_digest(style)}; script-src {make_policy_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return environment.get_template(template).render(
        **shown, charts=Charts(), style=Markup(style), script=Markup(script), policy=policy
    )
