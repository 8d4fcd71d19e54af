"""Draw the robustness curves of records: mIoU over severity, a panel for each corruption."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.files import whole_file
from experiments.light_parser import light_parser
from experiments.record import Record, read_record
from experiments.robustness import CLEAN, by_corruption
from user_error import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = """
runs/*/record-core.json --output curves.png
experiments/results/camvid/*.json --output camvid.svg
"""

FORMATS = (".png", ".svg", ".pdf")
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)  # Okabe & Ito, colour-blind safe
LINES = ("-", "--", "-.", ":")


def curve(record: Record, corruption: str) -> tuple[list[int], list[float]]:
    """Severities, 0 for clean, and mIoU in percent of one corruption; cells without a score are left out."""
    points = [
        (cell.severity, 100 * cell.miou)
        for cell in record.cells
        if cell.corruption in (CLEAN, corruption) and cell.miou is not None
    ]
    return [severity for severity, _ in points], [miou for _, miou in points]


def draw(records: Sequence[Record]) -> "Figure":
    """One panel for each corruption that any record has, and one for their mean."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = list(dict.fromkeys(name for record in records for name in by_corruption(record.conditions)))
    rows = math.ceil((len(names) + 1) / 4)
    columns = math.ceil((len(names) + 1) / rows)
    figure = Figure(figsize=(3.1 * columns, 2.5 * rows + 0.9), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, name in zip(panels, [*names, "mean"], strict=False):
        for place, record in enumerate(records):
            severities, scores = mean_curve(record) if name == "mean" else curve(record, name)
            colour, line = COLOURS[place % len(COLOURS)], LINES[place // len(COLOURS) % len(LINES)]
            panel.plot(severities, scores, line, color=colour, marker="o", markersize=3.5, label=record.name)
        panel.set_title("mean of all" if name == "mean" else name.replace("_", " "), fontsize=10)
        panel.grid(alpha=0.25)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.tick_params(labelbottom=True, labelleft=True, labelsize=8)
        panel.set_ylim(bottom=0)
    for panel in panels[len(names) + 1 :]:
        panel.axis("off")
    figure.supxlabel("severity (0: clean)", fontsize=10)
    figure.supylabel("mIoU (%)", fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels)), frameon=False, fontsize=9)
    return figure


def mean_curve(record: Record) -> tuple[list[int], list[float]]:
    """Mean over corruptions at each severity that all of them have."""
    curves = [dict(zip(*curve(record, name), strict=True)) for name in by_corruption(record.conditions)]
    shared = sorted(set.intersection(*(set(points) for points in curves))) if curves else []
    return shared, [sum(points[severity] for points in curves) / len(curves) for severity in shared]


def main(argv: list[str]) -> None:
    """The verb."""
    parser = light_parser(
        "curves",
        "Draw mIoU over severity for each corruption, a line for each record.",
        EXAMPLES,
    )
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD", help="JSON files that 'benchmark' wrote")
    parser.add_argument("--output", type=Path, default=Path("curves.png"), help="picture to write: .png, .svg or .pdf")
    args = parser.parse_args(argv)
    if args.output.suffix not in FORMATS:
        raise UserError(
            f"cannot draw a {args.output.suffix or 'file without a suffix'}: name the output *.png, *.svg or *.pdf"
        )
    figure = draw([read_record(path) for path in args.records])
    with whole_file(args.output, "wb") as file:
        figure.savefig(file, format=args.output.suffix[1:], dpi=130)
    print(f"curves: {args.output}")
