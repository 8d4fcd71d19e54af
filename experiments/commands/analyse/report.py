"""Write a report of records as one HTML page that needs no network access."""

from pathlib import Path
from typing import Annotated

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.compared_metrics import COMPARED
from experiments.evaluation.ranking import order_records
from experiments.evaluation.scores.foreground import EMPTY, Empty
from experiments.evaluation.seen import split_by_seen
from experiments.files.atomic_write import atomic_write, require_writable
from experiments.record_files.measured_records import measure_records
from experiments.reporting.report_page import make_contents, render
from experiments.reporting.tables import Ranked
from user_error import UserError

EXAMPLES = """
runs/*/record-core.json --output report.html
experiments/results/camvid/imagenet_c/*.json --output camvid.html --title "CamVid under ImageNet-C"
"""


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
