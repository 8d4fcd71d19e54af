"""Records as tables: a row for each condition, or for each image under each condition.

`read_cells` and `read_images` make a DataFrame of pandas in one call, for an analysis of one's own; the verb ``cells`` writes
the same as CSV or Parquet.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from experiments.evaluation import robustness
from experiments.evaluation.image_failures import find_confidences
from experiments.evaluation.images import Images
from experiments.evaluation.record import Record
from experiments.evaluation.scores.foreground import list_foreground
from experiments.evaluation.scores.overlap import dice, iou
from experiments.evaluation.scores.ratios import compute_ratios, compute_score
from experiments.record_files.record_file import read_record, read_swept, remove_duplicates
from user_error import UserError

if TYPE_CHECKING:
    from pandas import DataFrame

Columns = dict[str, list[Any]]
"""The values of each column by its name, all of one length."""

PIXELS = ("intersection", "predicted", "true")
"""What is counted of each class, in the order of the counts."""

TEXTS = ("record", "name", "data", "split", "suite", "corruption", "kind", "family", "id", "unit")
"""Columns of texts; the others are of numbers, but `left_out`, which is true or false."""


def read_cells(*paths: str | Path) -> "DataFrame":
    """Records as a DataFrame, a row for each record and condition.

    Columns are ``record`` (its file), ``name``, ``data``, ``split``, ``images``, ``suite``, ``corruption``, ``severity``,
    ``kind``, ``family``, ``left_out`` (of every mean, since it changes no image), the scores of `docs/scores.md` by their
    names, those of classes with a column for each (``class_iou.polyp``), and ``miou_low`` and ``miou_high``, the 95 %
    interval. What a record does not have is missing.

    Args:
        *paths: JSON files that ``benchmark`` wrote; every number is recomputed from the counts.

    Raises:
        UserError: there is none, or one is no record or does not agree with itself.
    """
    return _join([make_cell_columns(read_record(path), path) for path in _list_paths(paths)])


def read_images(*paths: str | Path) -> "DataFrame":
    """Records as a DataFrame, a row for each record, image and condition.

    Columns are those of `read_cells` up to ``left_out``, then ``id``, ``unit``, the pixels of each class
    (``intersection.polyp``, ``predicted.polyp``, ``true.polyp``), its IoU and Dice (``iou.polyp``, ``dice.polyp``; missing where
    neither mask nor prediction have it), ``miou`` and ``dice``, their means over the classes that exist so, and the
    confidences of the image (``mean_confidence``, ...).

    Args:
        *paths: JSON files that ``benchmark`` wrote, the counts of their images beside them.

    Raises:
        UserError: there is none, or one is no record, does not agree with itself or lacks the counts of its images.
    """
    return _join([make_image_columns(*read_swept(path), path) for path in _list_paths(paths)])


def _list_paths(paths: Sequence[str | Path]) -> list[Path]:
    if not paths:
        raise UserError("there is nothing to read: pass the paths of records")
    return remove_duplicates(map(Path, paths))


def _join(tables: Sequence[Columns]) -> "DataFrame":
    import pandas as pd  # takes half a second, which verbs that need no DataFrame do without

    frames = [
        pd.DataFrame({name: pd.Series(values, dtype=find_type(name, values)) for name, values in columns.items()})
        for columns in tables
    ]
    return pd.concat(frames, ignore_index=True)


def find_type(name: str, values: Sequence[Any]) -> Literal["str", "float64"] | None:
    """The type of a column that its values alone may not tell; None where they do."""
    if name in TEXTS:
        return "str"
    return "float64" if all(value is None for value in values) else None


def make_cell_columns(record: Record, path: Path) -> Columns:
    """Columns of a record with a row for each condition; see `read_cells`."""
    columns = _describe_conditions(record, path)
    for name in dict.fromkeys(name for cell in record.cells for name in cell.scores):
        values = [cell.scores.get(name) for cell in record.cells]
        if any(isinstance(value, list) for value in values):
            for place, column in enumerate(_name_classes(name, record.classes)):
                columns[column] = [value[place] if isinstance(value, list) else None for value in values]
        else:
            columns[name] = values
    for place, edge in enumerate(("miou_low", "miou_high")):
        columns[edge] = [cell.miou_interval.edges[place] for cell in record.cells]
    return columns


def make_image_columns(record: Record, images: Images, path: Path) -> Columns:
    """Columns of a record with a row for each image under each condition, images innermost; see `read_images`."""
    number = len(images.ids)
    columns = {
        name: [value for value in values for _ in range(number)]
        for name, values in _describe_conditions(record, path).items()
    }
    conditions = len(record.cells)
    columns["id"] = [*images.ids] * conditions
    columns["unit"] = [*images.units] * conditions if images.units else [None] * len(columns["id"])
    classes = images.counts["classes"]
    columns |= _split_classes(zip(PIXELS, np.moveaxis(classes, -1, 0), strict=True), record.classes)
    shares = {"iou": iou(classes), "dice": dice(classes)}
    columns |= _split_classes(((name, compute_ratios(one)) for name, one in shares.items()), record.classes)
    columns |= {"miou": _flatten(compute_score(shares["iou"])), "dice": _flatten(compute_score(shares["dice"]))}
    confidences = find_confidences(images, list_foreground(record.classes))
    return columns | {name.replace(" ", "_").lower(): _flatten(values) for name, values in confidences.items()}


def _describe_conditions(record: Record, path: Path) -> Columns:
    number, families = len(record.cells), record.suite.find_families()
    shared = {
        "record": str(path),
        "name": record.name,
        "data": record.data.name,
        "split": record.data.split,
        "images": record.data.images,
        "suite": record.suite.name,
    }
    return {
        **{name: [value] * number for name, value in shared.items()},
        "corruption": [cell.corruption for cell in record.cells],
        "severity": [cell.severity for cell in record.cells],
        "kind": record.kinds,
        "family": [families.get(cell.corruption) for cell in record.cells],
        "left_out": [robustness.is_left_out(condition, record.left_out) for condition in record.conditions],
    }


def _name_classes(name: str, classes: Sequence[str]) -> list[str]:
    """A column for each class; of classes that are called alike, all but the first with their place."""
    seen: dict[str, int] = {}
    columns = []
    for place, one in enumerate(classes):
        columns.append(f"{name}.{one}" if one not in seen else f"{name}.{one}.{place}")
        seen[one] = place
    return columns


def _split_classes(parts: Any, classes: Sequence[str]) -> Columns:
    """Columns of each class from arrays (N, conditions, K) by name."""
    columns: Columns = {}
    for name, part in parts:
        for place, column in enumerate(_name_classes(name, classes)):
            columns[column] = _flatten(part[..., place])
    return columns


def _flatten(part: np.ndarray) -> list[Any]:
    """Values (N, conditions) in the order of the rows; None for what is no number."""
    values = part.T.ravel()
    if part.dtype.kind != "f":
        return values.tolist()
    return [None if value != value else value for value in values.tolist()]


def list_rows(tables: Sequence[Mapping[str, Sequence[Any]]]) -> list[dict[str, Any]]:
    """The rows of several tables, one after the other."""
    return [dict(zip(columns, row, strict=True)) for columns in tables for row in zip(*columns.values(), strict=True)]
