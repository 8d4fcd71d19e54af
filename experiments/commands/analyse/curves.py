"""Draw the robustness curves of records: a score over severity, a panel for each corruption."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.comparable import find_difference
from experiments.evaluation.compared_metrics import COMPARED
from experiments.evaluation.metric_summary import MetricSummary
from experiments.evaluation.record import Record
from experiments.evaluation.robustness_curves import add_mean, compute_curves, find_factor
from experiments.evaluation.scores.foreground import EMPTY, Empty
from experiments.pictures.figures import find_line_style, require_format, save_figure
from experiments.record_files.measured_records import MeasuredRecords, measure_records
from user_error import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXAMPLES = """
runs/*/record-core.json --output curves.png
experiments/results/camvid/imagenet_c/*.json --output camvid.svg
experiments/results/kvasir_seg/imagenet_c/dense_*.json --metric image_foreground_dice
"""


def draw(found: MeasuredRecords) -> "Figure":
    """Draw a panel for each corruption of any record, one for their mean, and one for real shifts; and the floor in each.

    Raises:
        UserError: there is nothing to draw.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    records, summaries = found.records, [one[0] for one in found.summarise()]
    _require_alike(records)
    drawn = [add_mean(compute_curves(*pair)) for pair in zip(records, summaries, strict=True)]
    names = list(dict.fromkeys(name for panels in drawn for name in panels))
    shifts = list(dict.fromkeys(name for record in records for name in record.summary.shifts))
    number = len(names) + bool(shifts)
    if not number:
        raise UserError("the records hold nothing but clean scores: sweep a suite of corruptions or real shifts")
    rows = math.ceil(number / 4)
    columns = math.ceil(number / rows)
    figure = Figure(figsize=(3.1 * columns, 2.5 * rows + 0.9), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        for place, (record, points) in enumerate(zip(records, drawn, strict=True)):
            line = points.get(name, {})
            panel.plot(list(line), list(line.values()), **find_line_style(place), markersize=3.5, label=record.name)
        panel.set_title(name, fontsize=10)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    if shifts:
        draw_shifts(panels[len(names)], records, summaries, shifts)
    floor = summaries[0].floor.get("clean")
    for panel in panels[:number]:
        if floor is not None:
            panel.axhline(
                100 * floor, color="0.45", linestyle=":", linewidth=1.2, label=f"floor: {summaries[0].answer}"
            )
        panel.grid(alpha=0.25)
        panel.tick_params(labelbottom=True, labelleft=True, labelsize=8)
        panel.set_ylim(bottom=0)
    for panel in panels[number:]:
        panel.axis("off")
    metric = summaries[0].metric
    figure.supxlabel("severity (0: clean)", fontsize=10)
    figure.supylabel(f"{metric.title} (%)" if metric.unit == "percent" else metric.title, fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels)), frameon=False, fontsize=9)
    return figure


def _require_alike(records: Sequence[Record]) -> None:
    """Refuse records of different suites or images.

    Raises:
        UserError: two records differ in suite or images.
    """
    for one, other in pairwise(records):
        if why := find_difference(one, other):
            raise UserError(
                f"{one.name!r} and {other.name!r} were swept {why}, so their means are of different "
                "things: draw a picture of each"
            )


def draw_shifts(
    panel: "Axes", records: Sequence[Record], summaries: Sequence[MetricSummary], names: Sequence[str]
) -> None:
    """Draw the scores of real shifts, after that of all clean images, without lines, since shifts have no order."""
    for place, (record, summary) in enumerate(zip(records, summaries, strict=True)):
        cells = dict(zip(record.conditions, summary.cells, strict=True))
        stated = [summary.numbers["clean"], *(cells.get((name, 0)) for name in names)]
        scores = [None if one is None else one.value for one in stated]
        found = [(at, find_factor(summary) * score) for at, score in enumerate(scores) if score is not None]
        offset = 0.12 * (place - (len(records) - 1) / 2)
        look = find_line_style(place) | {"linestyle": "none"}
        panel.plot([at + offset for at, _ in found], [score for _, score in found], **look, label=record.name)
    panel.set_title("real shifts", fontsize=10)
    panel.set_xticks(range(len(names) + 1), ["all", *(name.replace("=", "\n") for name in names)])
    panel.set_xlim(-0.5, len(names) + 0.5)


def draw_curves(
    records: Annotated[list[Path], Option(metavar="RECORD")],
    /,
    *,
    metric: Annotated[str | None, Option(choices=COMPARED)] = None,
    empty: Annotated[Empty, Option()] = EMPTY[0],
    output: Path = Path("curves.png"),
) -> None:
    """Draw a score over severity for each corruption, a line for each record, and the floor.

    Args:
        records: JSON files that 'benchmark' wrote.
        metric: that is drawn; if none is given, the foreground's IoU where classes have a background, and mIoU elsewhere.
        empty: what a class counts in a mean over images where mask and prediction lack it: 1, nothing, or nothing
            wherever the mask lacks it.
        output: picture to write: .png, .svg or .pdf.
    """
    require_format(output)
    save_figure(draw(measure_records(records, None if metric is None else [metric], empty)), output)
    print(f"curves: {output}")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("curves", draw_curves, EXAMPLES, argv)
