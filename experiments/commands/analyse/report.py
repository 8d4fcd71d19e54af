"""Write a report of records as one HTML page that needs no network access."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.compared_metrics import COMPARED
from experiments.evaluation.ranking import order_records
from experiments.evaluation.record import Record
from experiments.evaluation.scores.foreground import EMPTY, Empty
from experiments.evaluation.seen import split_by_seen
from experiments.files.atomic_write import atomic_write, require_writable
from experiments.files.tables import format_percent
from experiments.record_files.measured_records import measure_records
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
    Ranked,
    find_clean_score,
    find_corrupted_mean,
    make_class_table,
    make_floor_entries,
    make_leaderboard_table,
    make_score_table,
)
from experiments.reporting.tasks import make_task_tables
from user_error import UserError

PAGE = Path(__file__).parents[2] / "reporting" / "page"

CROWD = 6
"""Number of records from which bands of intervals are shown for the highlighted record alone."""

RELIABILITY = {"ece": "ECE, %", "nll": "NLL, nats", "brier": "Brier score", "aurc": "AURC, %"}
RELIABILITY |= {"auroc": "AUROC of errors, %", "fpr95": "FPR at 95 % TPR, %"}

EXAMPLES = """
runs/*/record-core.json --output report.html
experiments/results/camvid/imagenet_c/*.json --output camvid.html --title "CamVid under ImageNet-C"
"""


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


def make_contents(
    ranked: Sequence[Ranked], paths: Sequence[Path], title: str, mixed: bool, seen: Sequence[str] = ()
) -> dict[str, Any]:
    """The variables of the page's template.

    Args:
        ranked: records in the order of their ranks.
        paths: that they were read from.
        title: of the page.
        mixed: whether they are of different suites or images.
        seen: corruptions that some training has met.

    Raises:
        UserError: a picture of a record was altered, or is not beside it.
    """
    records, summaries = [one.record for one in ranked], [one.summaries[0] for one in ranked]
    columns, rows = make_leaderboard_table(ranked, mixed)
    severities, heat = make_heat_map(records, summaries)
    return {
        "metric": summaries[0].metric.title,
        "floor": None if mixed else make_floor_entries(ranked, columns),
        "answers": {} if mixed else {one.metric.title: one.answer for one in ranked[0].summaries if one.answer},
        "seen": [name.replace("_", " ") for name in seen],
        "title": title,
        "lead": describe_records(records),
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
        "reliability": make_reliability(records),
        "classes": make_class_table(records),
        "tasks": make_task_tables(records),
        "pictures": find_pictures(list(zip(records, paths, strict=True))),
        "suites": make_suite_tables(records),
        "origins": [describe_origin(one.rank, one.record, path) for one, path in zip(ranked, paths, strict=True)],
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


def render(shown: dict[str, Any]) -> str:
    """Render the page; text of records is escaped, and the policy allows the page's own style and script alone."""
    style, script = ((PAGE / name).read_text(encoding="utf-8") for name in ("style.css", "page.js"))
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    policy = (
        f"default-src 'none'; img-src data:; style-src {make_policy_digest(style)}; script-src {make_policy_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return environment.get_template("page.html.jinja").render(
        **shown, charts=Charts(), style=Markup(style), script=Markup(script), policy=policy
    )


def write_report(
    records: Annotated[list[Path], Option(metavar="RECORD")],
    /,
    *,
    metric: Annotated[str | None, Option(choices=COMPARED)] = None,
    empty: Annotated[Empty, Option()] = EMPTY[0],
    output: Path = Path("report.html"),
    title: str = "Robustness report",
    allow_mixed: bool = False,
) -> None:
    """Write one HTML page about records.

    Leaderboard, robustness curves, heat map, reliability, classes, pictures, and how each row was made. It needs no
    network. Scores are recomputed from the counts.

    Args:
        records: JSON files that 'benchmark' wrote.
        metric: that ranks and is drawn; if none is given, the foreground's IoU where classes have a background, and mIoU
            elsewhere.
        empty: what a class counts in a mean over images where mask and prediction lack it: 1, nothing, or nothing
            wherever the mask lacks it.
        output: page to write.
        title: heading of the page.
        allow_mixed: put different suites or images onto one page.

    Raises:
        UserError: `output` is not named as a page, or the metric is not stated in percent.
    """
    if output.suffix not in (".html", ".htm"):
        raise UserError(f"the page {str(output)!r} must be named *.html")
    require_writable(output)
    chosen = None if metric is None else [metric]
    if metric is not None and COMPARED[metric].unit != "percent":
        raise UserError(f"a page shows scores in percent, and {metric} is none: see it in 'leaderboard' or 'compare'")
    found = measure_records(records, chosen, empty, totals=True)
    summaries = found.summarise(found.seen)
    order = order_records(found.records, allow_mixed, summaries)
    ranked = [Ranked(rank, found.records[place], summaries[place]) for rank, place in enumerate(order, 1)]
    conditions = [condition for record in found.records for condition in record.conditions]
    seen = split_by_seen(conditions, found.seen).seen
    page = render(make_contents(ranked, [records[place] for place in order], title, allow_mixed, seen))
    with atomic_write(output, "wb") as file:
        file.write(page.encode())
    print(f"report: {output}")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("report", write_report, EXAMPLES, argv)
