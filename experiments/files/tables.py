"""Numbers and tables as text, Markdown and CSV."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.files.printable import as_cell, escape_controls


def format_percent(value: float | None) -> str:
    """A fraction in percent, or a dash."""
    return "-" if value is None else f"{100 * value:.1f}"


def format_change(value: float | None) -> str:
    """A difference of fractions in points, with its sign, or a dash."""
    return "-" if value is None else f"{100 * value:+.1f}"


def format_p_value(value: float | None) -> str:
    """A p value to four digits, or a dash."""
    return "-" if value is None else f"{value:.4f}" if value >= 0.00005 else "< 0.0001"


def format_scaled(value: float | None, unit: float = 1) -> str:
    """A number in multiples of `unit`, to three digits, or a dash."""
    if value is None:
        return "-"
    number = value / unit
    return f"{number:.0f}" if abs(number) >= 999.5 else f"{number:#.3g}".rstrip(".")


def format_duration(seconds: float) -> str:
    """Seconds, minutes or hours, to three digits."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


Form = Callable[[float | None], str]
"""How a number is written."""


def format_edges(edges: tuple[float | None, float | None] | None, form: Form = format_percent) -> str:
    """The edges of an interval in brackets, by `form`; nothing where there is none, as of a single image."""
    return "" if edges is None or None in edges else f"[{form(edges[0])}, {form(edges[1])}]"


def format_interval(value: float | None, low: float | None, high: float | None, form: Form = format_percent) -> str:
    """A fraction and its interval, in percent or by `form`."""
    return f"{form(value)} {format_edges((low, high), form)}".rstrip()


def make_markdown_table(titles: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (1,)) -> str:
    """A Markdown table; columns are aligned to the right, except those with an index in `left`."""
    lines = [titles, ["---" if place in left else "---:" for place in range(len(titles))]]
    ruler = "|" + "|".join(lines[1]) + "|"
    body = ["| " + " | ".join(_to_one_line(cell) for cell in row) + " |" for row in (titles, *rows)]
    return "\n".join([body[0], ruler, *body[1:]]) + "\n"


def _to_one_line(cell: str) -> str:
    return escape_controls(str(cell)).replace("\n", " ").replace("|", "\\|")


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Comma-separated values at full precision, with a column for each key of any row; texts are escaped with `as_cell`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: as_cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()
