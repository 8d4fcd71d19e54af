"""The table of scores on a checkpoint's own data and on the real shifts of others."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.evaluation.record import drop_counts
from experiments.evaluation.shift_scores import ShiftScore, list_shift_scores
from experiments.files.tables import format_interval, make_markdown_table
from experiments.record_files.record_file import read_record, remove_duplicates

NOTE = (
    "mIoU in percent with 95 % intervals (jackknife t) over images, their units or blocks. Scores on different data are of "
    "other scenes and labels: what a condition costs says its difference from a reference of the same places, if that has any."
)


def read_shift_scores(paths: Sequence[Path]) -> list[ShiftScore]:
    """The scores of records.

    Raises:
        UserError: a file is no record, or they do not belong together; see `list_shift_scores`.
    """
    return list_shift_scores([drop_counts(read_record(path)) for path in remove_duplicates(paths)])


def format_shifts(paths: Sequence[Path]) -> str:
    """The table of records for people."""
    return format_markdown(read_shift_scores(paths))


def format_markdown(scores: Sequence[ShiftScore]) -> str:
    """A line for each data set and condition, a column for each checkpoint."""
    names = list(dict.fromkeys(one.name for one in scores))
    lines: dict[Any, dict[str, ShiftScore]] = {}
    for one in scores:
        lines.setdefault(one.line, {})[one.name] = one
    order = list(dict.fromkeys(line.data for line in lines))
    rows = []
    for line in sorted(lines, key=lambda line: order.index(line.data)):
        found = lines[line]
        cells = [format_interval(found[name].miou, *found[name].edges) if name in found else "-" for name in names]
        rows.append([line.data, line.condition, str(next(iter(found.values())).images), *cells])
    return f"{make_markdown_table(['data', 'condition', 'images', *names], rows, left=(0, 1))}\n{NOTE}\n"


def make_rows(scores: Sequence[ShiftScore]) -> list[dict[str, Any]]:
    """Flat rows, for CSV and JSON."""
    return [
        {
            "name": one.name,
            "data": one.line.data,
            "condition": one.line.condition,
            "images": one.images,
            "miou": one.miou,
            "miou_low": one.edges[0],
            "miou_high": one.edges[1],
        }
        for one in scores
    ]
