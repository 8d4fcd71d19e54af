"""Costs and robustness of networks side by side: smaller and larger ones, pruned ones, ensembles."""

import json
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.comparable import find_difference
from experiments.evaluation.compared_metrics import COMPARED, Metric, find_metric
from experiments.evaluation.costs import Cost, Costs, describe_file_sizes
from experiments.evaluation.images import Images
from experiments.evaluation.kinds import CLEAN
from experiments.evaluation.metric_summary import MetricSummary, measure_metric, summarise_metric
from experiments.evaluation.recipe_comparison import strip_seed
from experiments.evaluation.record import Record, drop_counts
from experiments.files.atomic_write import require_writable
from experiments.files.replaceable import print_and_save
from experiments.files.tables import as_csv, format_interval, format_scaled, make_markdown_table
from experiments.pictures.figures import require_format, save_figure
from experiments.record_files.cost_file import read_costs
from experiments.record_files.record_file import read_swept
from experiments.reporting import cost_table
from user_error import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = """
runs/*/record-core.json --costs costs.json
runs/dense/record-core.json runs/half/record-core.json --costs costs.json --figure surface.png
runs/{dense,half}_*/record-core.json --costs costs.json --figure surface.png --seeds-together
runs/*/record-core.json --costs costs.json --metric miou --format csv --output tradeoff.csv
--costs costs.json
"""

CONFIDENCE = "ece"
"""The metric that stands beside the first one; it is shown in percent."""

PARTS = {"clean": "clean", "corrupted": "mean_corrupted"}
"""Numbers of a summary, and how the keys of a row call them."""


class Network(NamedTuple):
    """A record, the costs of its network, and its scores: by a metric, and of its confidence."""

    record: Record
    cost: Cost
    summaries: Sequence[MetricSummary]


def summarise(record: Record, images: Images, metric: Metric) -> list[MetricSummary]:
    """The numbers of a record by a metric, and the error of its confidence."""
    metrics = [metric] if metric.name == CONFIDENCE else [metric, find_metric(CONFIDENCE)]
    return [summarise_metric(measure_metric(record, images, one)) for one in metrics]


def make_score_row(summaries: Sequence[MetricSummary]) -> dict[str, float | None]:
    """Clean and mean corrupted value by each metric, with the edges of their intervals."""
    row: dict[str, float | None] = {}
    for one in summaries:
        for part, words in PARTS.items():
            if part in one.numbers:
                (value, (low, high)), key = one.numbers[part], f"{words}_{one.metric.name}"
                row |= {key: value, f"{key}_low": low, f"{key}_high": high}
    return row


def find_networks(paths: Sequence[Path], costs: Costs, name: str | None = None) -> list[Network]:
    """Records with their costs, the costliest first, equal ones in the order of their paths.

    Args:
        paths: of the records.
        costs: of their checkpoints.
        name: of the metric; the first one of the data if `None`, see `find_metric`.

    Raises:
        UserError: a record's checkpoint was not measured, the counts of its images are not beside it, it has no such
            score, or records are of different suites or data.
    """
    found: list[Network] = []
    for path in paths:  # one after the other, since their counts together may not fit into memory
        record, images = read_swept(path)
        if found and (why := find_difference(found[-1].record, record)) is not None:
            raise UserError(
                f"{found[-1].record.name!r} and {record.name!r} were swept {why}, so their scores do not stand side by side: "
                "sweep all with the same suite and data"
            )
        cost = costs.find(record.checkpoint.get("sha256"))
        if cost is None:
            raise UserError(
                f"{record.name!r} was swept with a checkpoint that is not among the costs: run 'costs' on the checkpoints "
                "of all these records"
            )
        summaries = summarise(record, images, find_metric(name, [record]))
        found.append(Network(drop_counts(record), cost, summaries))
    return sorted(found, key=lambda network: (-network.cost.multiply_adds, _compute_zero_percentage(network.cost)))


def _compute_zero_percentage(cost: Cost) -> int:
    """Weights that are zero, in percent."""
    return round(100 * cost.zero_weights / cost.parameters)


def make_row(network: Network) -> dict[str, Any]:
    """A row of the table for programs, at full precision."""
    cost = network.cost
    row: dict[str, Any] = {"name": network.record.name, "seed": network.record.recipe.get("seed_everything")}
    row |= {
        key: getattr(cost, key)
        for key in ("parameters", "zero_weights", "multiply_adds", "file_bytes", "training_bytes")
    }
    for batch in cost.batches:
        measured = batch.model_dump(exclude={"batch_size"})
        row |= {f"{key}_batch_{batch.batch_size}": value for key, value in measured.items()}
    return row | make_score_row(network.summaries)


def format_markdown(networks: Sequence[Network], costs: Costs) -> str:
    """Format a Markdown table."""
    titles = ["name", "parameters (M)", "zeros (%)", "multiply-adds (G)", "file (MB)"]
    for batch in costs.reference_cost.batches:
        titles += [f"{what}, batch {batch.batch_size}" for what in ("ms an image", "latency ratio", "memory (MB)")]
    titles += [f"{part} {one.metric.title}" for one in networks[0].summaries for part in PARTS]
    cells = []
    for network in networks:
        cost = network.cost
        row = [network.record.name, format_scaled(cost.parameters, 1e6), str(_compute_zero_percentage(cost))]
        row += [format_scaled(cost.multiply_adds, 1e9), format_scaled(cost.network_file_bytes, 1e6)]
        for batch in cost.batches:
            row += [f"{batch.milliseconds_per_image:.1f}", f"{batch.latency_ratio:.2f}"]
            row.append(format_scaled(batch.peak_memory_bytes, 1e6))
        cells.append(row + [_format_score(one, part) for one in network.summaries for part in PARTS])
    environment, (height, width) = costs.environment, costs.reference_cost.size
    note = (
        f"Scores{_describe_units(networks[0].summaries)}, with 95 % intervals (jackknife t) over images or their units."
        f"{_describe_floor(networks[0].summaries[0])} Images of {height} x {width} on {environment.get('device')}, "
        f"{environment.get('threads')} threads, medians of {costs.rounds} rounds; ratios of latency are to "
        f"{costs.reference_cost.name!r}.{describe_file_sizes(costs)}"
    )
    return f"{make_markdown_table(titles, cells, left=(0,))}\n{note}\n"


def _format_score(summary: MetricSummary, part: str) -> str:
    number = summary.numbers.get(part)
    if number is None or number.value is None:
        return "-"
    low, high = number.edges
    return format_interval(number.value, low, high, partial(_format, summary.metric))


def _format(metric: Metric, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f}" if metric.name == CONFIDENCE else metric.format_value(value)


def _find_unit(metric: Metric) -> str:
    return "percent" if metric.name == CONFIDENCE else metric.unit


def _describe_units(summaries: Sequence[MetricSummary]) -> str:
    units = {one.metric.title: _find_unit(one.metric) for one in summaries}
    if set(units.values()) == {"percent"}:
        return " in percent"
    return f" ({', '.join(f'{title} in {unit}' for title, unit in units.items())})"


def _describe_floor(first: MetricSummary) -> str:
    """What the best answer scores that does not look at the images; empty where the metric has no such floor."""
    values = [f"{first.metric.format_value(value)} {part}" for part, value in first.floor.items()]
    return f" The floor, {first.answer}, has a {first.metric.title} of {', '.join(values)}." if values else ""


FORMATS: dict[str, Callable[[Sequence[Network], Costs], str]] = {
    "markdown": format_markdown,
    "csv": lambda networks, _: as_csv([make_row(network) for network in networks]),
    "json": lambda networks, _: json.dumps([make_row(network) for network in networks], indent=2) + "\n",
}


def average_by_severity(network: Network) -> dict[int, float]:
    """Mean score of all corruptions at each severity, 0 for clean, where it is defined; percent as numbers up to 100."""
    first, groups = network.summaries[0], dict[int, list[float]]()
    factor = 100 if _find_unit(first.metric) == "percent" else 1
    for place in network.record.headline_places:
        cell, value = network.record.cells[place], first.cells[place].value
        if value is not None and (cell.severity or cell.corruption == CLEAN):
            groups.setdefault(cell.severity, []).append(factor * value)
    return {severity: float(np.mean(values)) for severity, values in sorted(groups.items())}


class Column(NamedTuple):
    """A column of the figure: one network, or the trainings of one recipe."""

    name: str
    networks: Sequence[Network]

    @property
    def weights(self) -> float:
        """Mean number of nonzero weights."""
        return float(np.mean([one.cost.parameters - one.cost.zero_weights for one in self.networks]))

    @property
    def multiply_adds(self) -> float:
        """Mean number of multiply-adds for one image."""
        return float(np.mean([one.cost.multiply_adds for one in self.networks]))


def make_columns(networks: Sequence[Network], together: bool) -> list[Column]:
    """A column for each network, or if `together` for those whose names differ in a final number; the costliest first."""
    groups: dict[str, list[Network]] = {}
    for network in networks:
        name = network.record.name
        groups.setdefault(strip_seed(name) if together else name, []).append(network)
    found = [Column(name, group) for name, group in groups.items()]
    return sorted(found, key=lambda column: (-column.multiply_adds, -column.weights))


def draw(found: Sequence[Column]) -> "Figure":
    """Draw the first metric over severity and fraction of remaining weights, as a surface seen from above.

    Raises:
        UserError: the records hold nothing but clean scores.
    """
    from matplotlib.figure import Figure

    surfaces = [[average_by_severity(network) for network in column.networks] for column in found]
    severities = sorted(set.intersection(*(set(surface) for group in surfaces for surface in group)))
    if len(severities) < 2:
        raise UserError("the records share no severity to draw: sweep all with the same suite of corruptions")
    trainings = [[[surface[severity] for surface in group] for group in surfaces] for severity in severities]
    values = np.array([[np.mean(group) for group in row] for row in trainings])
    figure = Figure(figsize=(1.8 + 1.25 * len(found), 1.6 + 0.55 * len(severities)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values, origin="lower", aspect="auto", cmap="viridis")
    middle = (values.min() + values.max()) / 2
    for (row, column), value in np.ndenumerate(values):
        colour, scores = "black" if value > middle else "white", trainings[row][column]
        spread = f" ± {np.std(scores, ddof=1):.1f}" if len(scores) > 1 else ""
        axes.text(column, row, f"{value:.1f}{spread}", ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(found)), [_make_label(column, found[0]) for column in found], fontsize=8)
    axes.set_yticks(range(len(severities)), [str(severity) for severity in severities])
    axes.set_ylabel("severity (0: clean)", fontsize=10)
    axes.set_xlabel("network; weights left, multiply-adds left", fontsize=10)
    metric = found[0].networks[0].summaries[0].metric
    unit = {"percent": " (%)", "number": ""}.get(_find_unit(metric), f" ({metric.unit})")
    figure.colorbar(image, label=f"{metric.title}{unit}")
    return figure


def _make_label(column: Column, first: Column) -> str:
    """The name, and the fractions of weights and multiply-adds relative to the costliest network."""
    name = textwrap.fill(column.name.replace("_", " "), 14)
    trainings = f"\n{len(column.networks)} trainings" if len(column.networks) > 1 else ""
    weights, adds = column.weights / first.weights, column.multiply_adds / first.multiply_adds
    return f"{name}{trainings}\n{100 * weights:.0f} %, {100 * adds:.0f} %"


def weigh_costs(
    records: Annotated[Sequence[Path], Option(metavar="RECORD")] = (),
    /,
    *,
    costs: Path,
    metric: Annotated[str | None, Option(choices=COMPARED)] = None,
    format: Annotated[str, Option(choices=FORMATS)] = "markdown",
    output: Path | None = None,
    figure: Path | None = None,
    seeds_together: bool = False,
) -> None:
    """Show the costs of networks beside their robustness.

    Parameters, zeros, multiply-adds, file, latency and memory, and clean and mean corrupted score and calibration
    error with their intervals. --figure draws the score over severity and the fraction of weights that are left. Without
    records, the costs alone.

    Args:
        records: JSON files that 'benchmark' wrote.
        costs: file that 'costs' wrote, of the same checkpoints.
        metric: the score, those with a dot of further tasks; if none is given, the foreground's IoU where classes have a
            background, and mIoU elsewhere.
        format: of what is printed.
        output: write the table to this file as well.
        figure: picture to write: .png, .svg or .pdf.
        seeds_together: draw records whose names differ in a number at the end as one column of means and standard
            deviations.

    Raises:
        UserError: a figure is asked for without records.
    """
    if figure is not None:
        require_format(figure)
        if not records:
            raise UserError("a figure shows how networks hold up: name their records")
    for path in (output, figure):
        if path is not None:
            require_writable(path)
    known = read_costs(costs)
    if not records:
        print_and_save(cost_table.FORMATS[format](known), output)
        return
    networks = find_networks(records, known, metric)
    text = FORMATS[format](networks, known)
    print_and_save(text, output)
    if figure is not None:
        save_figure(draw(make_columns(networks, seeds_together)), figure)
        print(f"figure: {figure}")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("tradeoff", weigh_costs, EXAMPLES, argv)
