"""``predictions.csv``: a row for each image, or slice, and class, with a digest by which an edited one is known."""

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.files.atomic_write import atomic_write
from experiments.files.printable import as_cell
from experiments.trust.trust_model import Judgement
from safe_files.csv_file import read_csv
from user_error import UserError

NAME = "predictions.csv"
OF_IMAGE = ("trusted", "risk", "resembles", "severity", "chance", "expected_score", "distance", "farther")
"""Columns of what `--trust` says of an image, the same in all of its rows, and empty without it."""
COLUMNS = ("image", "slice", "class", "pixels", "area_mm2", "volume_mm3", "confidence", *OF_IMAGE, "check")
WHOLE = "all"
"""What stands for the slice in the rows of a volume."""

LARGEST = 2**30


class Tally(NamedTuple):
    """Pixels (K,) int64 of each class, and the sum (K,) of the largest probability over them."""

    pixels: np.ndarray
    confidence: np.ndarray


def add_tallies(tallies: Sequence[Tally]) -> Tally:
    """The tally of all slices of a volume."""
    pixels, confidence = zip(*tallies, strict=True)
    return Tally(np.sum(pixels, 0), np.sum(confidence, 0))


def make_rows(
    image: str,
    classes: Sequence[str],
    tally: Tally,
    *,
    part: str = "",
    pixel_area: float | None = None,
    voxel_volume: float | None = None,
    judgement: Judgement | None = None,
) -> list[dict[str, object]]:
    """The rows of an image, a slice, or a volume.

    Args:
        image: its path below the output folder, without suffix.
        classes: their names.
        tally: of its pixels.
        part: the number of the slice or page; `WHOLE` of all of a volume.
        pixel_area: in mm2, where it is known.
        voxel_volume: in mm3, where it is known.
        judgement: whether the mask is to be trusted, where that was asked for.
    """
    rows = []
    judged = _describe(judgement)
    for name, pixels, confidence in zip(classes, tally.pixels.tolist(), tally.confidence.tolist(), strict=True):
        row: dict[str, object] = {
            "image": image,
            "slice": part,
            "class": name,
            "pixels": pixels,
            "area_mm2": "" if pixel_area is None else round(pixels * pixel_area, 6),
            "volume_mm3": "" if voxel_volume is None else round(pixels * voxel_volume, 6),
            "confidence": round(confidence / pixels, 6) if pixels else "",
            **judged,
        }
        rows.append(row)
    return rows


def _describe(judgement: Judgement | None) -> dict[str, object]:
    if judgement is None:
        return dict.fromkeys(OF_IMAGE, "")
    name, severity = judgement.condition
    numbers = {
        "risk": judgement.risk,
        "chance": judgement.chance,
        "expected_score": judgement.expected,
        "distance": judgement.distance,
        "farther": judgement.farther,
    }
    known = {key: "" if value is None else round(value, 6) for key, value in numbers.items()}
    return {"trusted": "yes" if judgement.trusted else "no", "resembles": name, "severity": severity, **known}


def write_table(rows: Sequence[dict[str, object]], folder: Path) -> Path:
    """Write the rows atomically; those of other images that an earlier call wrote stay.

    Raises:
        UserError: see `require_table`.
        OSError: it cannot be written.
    """
    path, table = folder / NAME, io.StringIO()
    new = [_as_cells(row) for row in rows]
    names = {cells[0] for cells in new}
    kept = [[*row.values()] for row in require_table(path) if row["image"] not in names]
    writer = csv.writer(table, lineterminator="\n")
    writer.writerows([COLUMNS, *kept, *([*cells, _digest(cells)] for cells in new)])
    with atomic_write(path) as file:
        file.write(table.getvalue())
    return path


def require_table(path: Path) -> list[dict[str, str]]:
    """The rows of an earlier table; none where there is none.

    Raises:
        UserError: there is something else, or a row was edited.
    """
    if not os.path.lexists(path):
        return []
    try:
        names, rows = ([], []) if path.is_symlink() else read_csv(path, "", LARGEST)
    except (UserError, OSError):
        names, rows = [], []
    whole = tuple(names) == COLUMNS and all(row["check"] == _digest([*row.values()][:-1]) for row in rows)
    if not whole:
        raise UserError(
            f"{str(path)!r} is there, and is not what predict wrote: choose another --output, since that is never overwritten; "
            "nothing was written"
        )
    return rows


def _as_cells(row: dict[str, object]) -> list[str]:
    """All but the digest, as they are read again."""
    return [str(as_cell(row[name])).strip() for name in COLUMNS[:-1]]


def _digest(cells: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(cells).encode()).hexdigest()[:12]
