"""Charts of the report as pure functions of records: robustness, real shifts, reliability, risk over coverage."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.evaluation.metric_summary import MetricSummary, StatedNumber
from experiments.evaluation.record import Edges, Record
from experiments.evaluation.robustness_curves import add_mean, compute_curves
from experiments.evaluation.scores.base import UNIT, find_histogram
from experiments.evaluation.scores.curves import risk_coverage_curve
from experiments.files.tables import format_edges, format_percent
from experiments.reporting.svg import Chart, Figure, Point, SeriesStyle, find_style, find_ticks, make_figure

MEAN = "mean of all"
TIPS = 20  # points of a risk-coverage curve with a tooltip


def find_panel_intervals(record: Record, summary: MetricSummary) -> dict[tuple[str, int], Edges]:
    """Interval of each point of a panel that is one cell; a mean over several cells has none."""
    titles = [(name.replace("_", " "), severity) for name, severity in record.conditions]
    single = Counter(titles)
    return {
        title: cell.edges
        for title, cell in zip(titles, summary.cells, strict=True)
        if single[title] == 1 and None not in cell.edges
    }


def draw_robustness_panels(records: Sequence[Record], summaries: Sequence[MetricSummary]) -> list[Figure]:
    """A panel for each corruption that any record has, and one for their mean: a score in percent over severity.

    Args:
        records: of the lines.
        summaries: of each by one metric, which is stated in percent; the floor of the first one is drawn.
    """
    lines = [add_mean(compute_curves(*pair)) for pair in zip(records, summaries, strict=True)]
    bounds = [find_panel_intervals(*pair) for pair in zip(records, summaries, strict=True)]
    names = list(dict.fromkeys(name for panels in lines for name in panels if name != MEAN))
    names += [MEAN] * any(MEAN in panels for panels in lines)
    highest = [value for panels in lines for points in panels.values() for value in points.values()]
    highest += [100 * (high or 0) for edges in bounds for _, high in edges.values()]
    levels = find_ticks(max(highest, default=100))
    first = summaries[0]
    return [_draw_panel(name, [panels.get(name, {}) for panels in lines], bounds, levels, first) for name in names]


def _draw_panel(
    name: str,
    lines: Sequence[dict[int, float]],
    bounds: Sequence[dict[tuple[str, int], Edges]],
    levels: Sequence[float],
    first: MetricSummary,
) -> Figure:
    severities = sorted({severity for points in lines for severity in points})
    chart = Chart((0, max(severities)), (0, levels[-1]))
    chart.draw_y_axis((level, f"{level:g}") for level in levels)
    chart.draw_x_axis((severity, str(severity) if severity else "clean") for severity in severities)
    floor = first.floor.get("clean")
    if floor is not None:
        chart.draw_line([(0, 100 * floor), (max(severities), 100 * floor)], "floor")
    for place, (points, edges) in enumerate(zip(lines, bounds, strict=True)):
        if points:
            known = {
                severity: edges[key]
                for severity in points
                if (key := (name if severity else "clean", severity)) in edges and name != MEAN
            }
            _draw_curve(chart, find_style(place), points, known)
    words = "in percent over severity, a line for each record; arrow keys walk from point to point"
    return make_figure(chart, name, f"{name}: {first.metric.title} {words}")


def _draw_curve(chart: Chart, style: SeriesStyle, points: dict[int, float], edges: dict[int, Edges]) -> None:
    chart.begin_group(style)
    lows = [(severity, 100 * (low or 0)) for severity, (low, _) in edges.items()]
    highs = [(severity, 100 * (high or 0)) for severity, (_, high) in edges.items()]
    chart.draw_band(lows, highs)
    chart.draw_line(list(points.items()))
    for severity, value in points.items():
        where = f"severity {severity}" if severity else "clean"
        chart.draw_mark(style, (severity, value), f"{where}: {value:.1f} % {format_edges(edges.get(severity))}".strip())
    chart.end_group()


def draw_shift_chart(records: Sequence[Record], summaries: Sequence[MetricSummary]) -> Figure | None:
    """Scores of real shifts, a row for each and one for all clean images; `None` if no record has any."""
    names = list(dict.fromkeys(name for record in records for name in record.summary.shifts))
    if not names:
        return None
    each = 9
    row = max(26, each * len(records) + 10)
    rows = ["clean", *names]
    longest = min(30, max(len(name) for name in rows))
    chart = Chart((0, 100), (len(rows), 0), (640, row * len(rows) + 34), (24 + 6 * longest, 6, 16, 28))
    chart.draw_x_axis(((level, f"{level:g}") for level in (0, 20, 40, 60, 80, 100)), grid=True)
    for place, name in enumerate(rows):
        label = name if len(name) <= longest else name[: longest - 1] + "…"
        chart.add(
            '<text class="label" x="{}" y="{}" text-anchor="end">{}<title>{}</title></text>',
            chart.left - 10,
            chart.scale_y(place + 0.5) + 4,
            label,
            name,
        )
        chart.draw_grid_line(chart.scale_y(place + 1))
    for place, (record, summary) in enumerate(zip(records, summaries, strict=True)):
        cells = dict(zip(record.conditions, summary.cells, strict=True))
        found = {name: cells[name, 0] for name in rows if (name, 0) in cells}
        _draw_shift_marks(chart, found, rows, find_style(place), each / row * (place - (len(records) - 1) / 2))
    words = "in percent of the images of each real shift, a mark for each record, with 95 % intervals"
    return make_figure(chart, "real shifts", f"{summaries[0].metric.title} {words}")


def _draw_shift_marks(
    chart: Chart, found: Mapping[str, StatedNumber], rows: Sequence[str], style: SeriesStyle, offset: float
) -> None:
    chart.begin_group(style)
    for place, name in enumerate(rows):
        cell = found.get(name)
        if cell is None or cell.value is None:
            continue
        low, high = cell.edges
        level = place + 0.5 + offset
        if low is not None and high is not None:
            chart.draw_line([(100 * low, level), (100 * high, level)], "whisker")
        text = f"{name}: {format_percent(cell.value)} % {format_edges(cell.edges)}".strip()
        chart.draw_mark(style, (100 * cell.value, level), text)
    chart.end_group()


class Reliability(NamedTuple):
    """Reliability diagram and risk curves of a record."""

    record: int
    name: str
    diagram: Figure
    risk: Figure
    numbers: list[tuple[str, str, str]]  # name of the score, clean, mean over corruptions


def list_parts(record: Record) -> Iterator[tuple[str, list[int]]]:
    """Places of the cells of clean and, where there are any, of the corrupted ones."""
    conditions = record.conditions
    yield "clean", [conditions.index(("clean", 0))]
    corrupted = [place for place in record.headline_places if conditions[place][1]]
    if corrupted:
        yield "corrupted", corrupted


def compute_risk_curves(record: Record) -> dict[str, list[Point]]:
    """Coverage and risk in percent, clean and over all corrupted pixels."""
    histograms = find_histogram(record.totals)
    return {
        name: list(zip(*(100 * axis for axis in risk_coverage_curve(histograms[places].sum(0))), strict=True))
        for name, places in list_parts(record)
    }


def find_highest_risk(records: Sequence[Record]) -> float:
    """The highest risk in percent of any curve, so that all records can share an axis."""
    risks = [risk for record in records for points in compute_risk_curves(record).values() for _, risk in points]
    return max(risks, default=0.0)


def draw_risk_chart(record: Record, place: int, highest: float) -> Figure:
    """Selective risk over coverage: the fraction of wrong pixels among the most confident ones."""
    levels = find_ticks(max(highest, 0.1))
    chart = Chart((0, 100), (0, levels[-1]), (280, 230), (38, 10, 12, 36))
    chart.draw_y_axis((level, f"{level:g}") for level in levels)
    chart.draw_x_axis((level, f"{level:g}") for level in (0, 25, 50, 75, 100))
    _draw_axis_title(chart, "coverage, %")
    style = find_style(place)
    for name, points in compute_risk_curves(record).items():
        chart.begin_group(style, name)
        chart.draw_line(points)
        wanted = np.linspace(100 / TIPS, 100, TIPS)
        nearest = {min(range(len(points)), key=lambda k: abs(points[k][0] - share)) for share in wanted if points}
        for coverage, risk in (points[k] for k in sorted(nearest)):
            chart.add_hover(style, (coverage, risk), f"{name}, coverage {coverage:.0f} %: {risk:.2f} % of pixels wrong")
        chart.end_group()
    return make_figure(
        chart, "Risk over coverage", f"{record.name}: share of wrong pixels among the most confident ones"
    )


def compute_calibration_points(calibration: np.ndarray) -> list[tuple[float, float, float]]:
    """Mean confidence, accuracy and share of all pixels of each bin (bins, 3) that holds pixels, in percent."""
    pixels, correct, confidence = calibration[calibration[:, 0] > 0].astype(np.float64).T
    values = np.stack([confidence / UNIT / pixels, correct / pixels, pixels / max(1, pixels.sum())], axis=-1)
    return [(float(one), float(two), float(three)) for one, two, three in 100 * values]


def draw_reliability_diagram(record: Record, place: int) -> Figure:
    """Accuracy over confidence (DeGroot & Fienberg, J. R. Stat. Soc. D 1983), clean and over all corrupted pixels."""
    chart = Chart((0, 100), (0, 100), (280, 230), (38, 10, 12, 36))
    levels = [(level, f"{level}") for level in (0, 25, 50, 75, 100)]
    chart.draw_y_axis(levels)
    chart.draw_x_axis(levels)
    _draw_axis_title(chart, "confidence, %")
    chart.add('<path class="diagonal" d="{}"/>', chart.format_path([(0, 0), (100, 100)]))
    style, calibration = find_style(place), record.totals["calibration"]
    for name, places in list_parts(record):
        chart.begin_group(style, name)
        points = compute_calibration_points(calibration[places].sum(0))
        chart.draw_line([(confidence, accuracy) for confidence, accuracy, _ in points])
        for confidence, accuracy, fraction in points:
            words = f"{name}, confidence {confidence:.1f} %: {accuracy:.1f} % right ({fraction:.1f} % of pixels)"
            chart.draw_mark(style, (confidence, accuracy), words, size=7)
        chart.end_group()
    return make_figure(chart, "Reliability", f"{record.name}: accuracy over confidence, in 15 bins of equal width")


def _draw_axis_title(chart: Chart, text: str) -> None:
    middle = (chart.left + chart.right) / 2
    chart.add('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>', middle, chart.height - 5, text)
