"""Draw the robustness curves of records: mIoU over severity, a panel for each corruption."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.comparable import find_difference
from experiments.evaluation.record import Record, drop_counts
from experiments.evaluation.robustness_curves import add_mean, compute_curves
from experiments.pictures.figures import find_line_style, require_format, save_figure
from experiments.record_files.record_file import read_record
from user_error import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXAMPLES = """
runs/*/record-core.json --output curves.png
experiments/results/camvid/imagenet_c/*.json --output camvid.svg
"""


def draw(records: Sequence[Record]) -> "Figure":
    """Draw a panel for each corruption of any record, one for their mean, and one for real shifts.

    Raises:
        UserError: there is nothing to draw.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    _require_alike(records)
    drawn = [add_mean(compute_curves(record)) for record in records]
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
            found = points.get(name, {})
            panel.plot(list(found), list(found.values()), **find_line_style(place), markersize=3.5, label=record.name)
        panel.set_title(name, fontsize=10)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    if shifts:
        draw_shifts(panels[len(names)], records, shifts)
    for panel in panels[:number]:
        panel.grid(alpha=0.25)
        panel.tick_params(labelbottom=True, labelleft=True, labelsize=8)
        panel.set_ylim(bottom=0)
    for panel in panels[number:]:
        panel.axis("off")
    figure.supxlabel("severity (0: clean)", fontsize=10)
    figure.supylabel("mIoU (%)", fontsize=10)
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


def draw_shifts(panel: "Axes", records: Sequence[Record], names: Sequence[str]) -> None:
    """Draw the scores of real shifts, after that of all clean images, without lines, since shifts have no order."""
    for place, record in enumerate(records):
        scores = [record.summary.clean_miou, *(record.summary.shifts.get(name) for name in names)]
        found = [(at, 100 * score) for at, score in enumerate(scores) if score is not None]
        offset = 0.12 * (place - (len(records) - 1) / 2)
        look = find_line_style(place) | {"linestyle": "none"}
        panel.plot([at + offset for at, _ in found], [score for _, score in found], **look, label=record.name)
    panel.set_title("real shifts", fontsize=10)
    panel.set_xticks(range(len(names) + 1), ["all", *(name.replace("=", "\n") for name in names)])
    panel.set_xlim(-0.5, len(names) + 0.5)


def draw_curves(
    records: Annotated[list[Path], Option(metavar="RECORD")], /, *, output: Path = Path("curves.png")
) -> None:
    """Draw mIoU over severity for each corruption, a line for each record.

    Args:
        records: JSON files that 'benchmark' wrote.
        output: picture to write: .png, .svg or .pdf.
    """
    require_format(output)
    save_figure(draw([drop_counts(read_record(path)) for path in records]), output)
    print(f"curves: {output}")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("curves", draw_curves, EXAMPLES, argv)
