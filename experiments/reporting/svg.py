"""A chart as SVG text: data coordinates in, marks that style sheets colour out.

Colours, dashes and fonts come from classes, so that light, dark and print differ in the style sheet alone. Whatever
comes from a record goes through `Markup.format`, which escapes it.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from experiments.pictures.figures import COLOURS, LINES

MARKERS = 7
"""Shapes that page.html.jinja defines as ``#marker0`` and so on."""

Point = tuple[float, float]


class Hover(NamedTuple):
    """A point with a tooltip: its place in the SVG, its record and the text."""

    x: float
    y: float
    record: int
    text: str


class SeriesStyle(NamedTuple):
    """The style of a record in all charts: colour, marker and dash."""

    record: int
    classes: str
    marker: int


def find_style(place: int) -> SeriesStyle:
    """The style of the record at a place; the first 196 differ."""
    colours, lines = len(COLOURS), len(LINES)
    dash = place // colours % lines
    return SeriesStyle(
        place, f"series colour{place % colours} dash{dash}", (place % colours + place // (colours * lines)) % MARKERS
    )


def find_ticks(top: float, number: int = 5) -> list[float]:
    """Round steps from 0 that reach `top`, at most `number` + 1 of them."""
    rough = max(top, 1e-9) / number
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [step * k for k in range(math.ceil(max(top, 1e-9) / step - 1e-9) + 1)]


def clip_interval(
    low: float | None, high: float | None, low_edge: float, high_edge: float
) -> tuple[float, float] | None:
    """Where an interval lies within the edges; `None` if it does not exist."""
    if low is None or high is None:
        return None
    return min(max(low, low_edge), high_edge), min(max(high, low_edge), high_edge)


class Chart:
    """A chart being drawn, with linear axes.

    Args:
        x_range: first and last value of the horizontal axis.
        y_range: likewise of the vertical one; the first may lie at the top or at the bottom.
        size: (width, height) in the SVG's own units, which are about pixels.
        margins: left, top, right and bottom of what the axes enclose.
    """

    def __init__(
        self,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        size: tuple[int, int] = (280, 200),
        margins: tuple[int, int, int, int] = (34, 10, 12, 24),
    ) -> None:
        self.x_range, self.y_range = x_range, y_range
        self.width, self.height = size
        self.left, self.top, right, bottom = margins
        self.right, self.bottom = self.width - right, self.height - bottom
        self.parts: list[Markup] = []
        self.points: list[Hover] = []

    def scale_x(self, value: float) -> float:
        """Horizontal place of a value."""
        first, last = self.x_range
        return round(self.left + (value - first) / (last - first or 1) * (self.right - self.left), 1)

    def scale_y(self, value: float) -> float:
        """Vertical place of a value."""
        first, last = self.y_range
        return round(self.bottom - (value - first) / (last - first or 1) * (self.bottom - self.top), 1)

    def add(self, markup: str, *values: object) -> None:
        """Add an element; `values` are escaped."""
        self.parts.append(Markup(markup).format(*values))

    def draw_grid_line(self, place: float) -> None:
        """A grid line from left to right."""
        self.add('<path class="grid" d="M{} {}H{}"/>', self.left, place, self.right)

    def draw_x_axis(self, labels: Iterable[tuple[float, str]], grid: bool = False) -> None:
        """Labels below the plot."""
        for value, label in labels:
            place = self.scale_x(value)
            if grid:
                self.add('<path class="grid" d="M{} {}V{}"/>', place, self.top, self.bottom)
            self.add('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>', place, self.bottom + 15, label)

    def draw_y_axis(self, labels: Iterable[tuple[float, str]]) -> None:
        """Labels left of the plot, with a grid line each."""
        for value, label in labels:
            place = self.scale_y(value)
            self.draw_grid_line(place)
            self.add('<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>', self.left - 6, place + 3.5, label)

    def format_path(self, points: Sequence[Point]) -> str:
        """The path through points in data coordinates."""
        return "M" + "L".join(f"{self.scale_x(x):g} {self.scale_y(y):g}" for x, y in points)

    def begin_group(self, style: SeriesStyle, extra: str = "") -> None:
        """Open the group of a record."""
        self.add('<g class="{} {}" data-record="{}">', style.classes, extra, style.record)

    def end_group(self) -> None:
        """Close the group of a record."""
        self.add("</g>")

    def draw_band(self, lows: Sequence[Point], highs: Sequence[Point]) -> None:
        """An area between two lines."""
        if len(lows) > 1:
            self.add('<path class="band" d="{}Z"/>', self.format_path([*lows, *reversed(highs)]))

    def draw_line(self, points: Sequence[Point], kind: str = "line") -> None:
        """A line; nothing where there is but one point."""
        if len(points) > 1:
            self.add('<path class="{}" d="{}"/>', kind, self.format_path(points))

    def draw_mark(self, style: SeriesStyle, at: Point, text: str, kind: str = "mark", size: int = 8) -> None:
        """A marker of the record's shape with the tooltip `text`."""
        x, y = self.scale_x(at[0]), self.scale_y(at[1])
        half = size / 2
        self.add(
            '<use class="{}" href="#marker{}" x="{:g}" y="{:g}" width="{}" height="{}"/>',
            kind,
            style.marker,
            x - half,
            y - half,
            size,
            size,
        )
        self.add_hover(style, at, text)

    def add_hover(self, style: SeriesStyle, at: Point, text: str) -> None:
        """A point with the tooltip `text` and without a marker."""
        self.points.append(Hover(self.scale_x(at[0]), self.scale_y(at[1]), style.record, text))

    def as_svg(self) -> Markup:
        """What has been drawn, without the ``svg`` element around it."""
        return Markup("").join(self.parts)


class Figure(NamedTuple):
    """A finished chart and its words."""

    title: str
    description: str
    width: int
    height: int
    body: Markup
    points: list[Hover]


def make_figure(chart: Chart, title: str, description: str) -> Figure:
    """A chart with its words."""
    return Figure(title, description, chart.width, chart.height, chart.as_svg(), chart.points)


def draw_interval_bar(value: float | None, low: float | None, high: float | None) -> Markup:
    """A slim bar from 0 to 1 that shows a share and its interval; nothing where one of them does not exist."""
    edges = clip_interval(low, high, 0, 1)
    if value is None or edges is None:
        return Markup("")
    start, end = (round(100 * edge, 1) for edge in edges)
    return Markup(
        '<svg class="slim" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" x="0" y="2.5" width="100" height="1"/>'
        '<rect class="reach" x="{}" y="1" width="{}" height="4"/>'
        '<rect class="here" x="{}" y="0" width="1" height="6"/></svg>'
    ).format(start, max(0.6, round(end - start, 1)), round(100 * min(max(value, 0), 1) - 0.5, 1))
