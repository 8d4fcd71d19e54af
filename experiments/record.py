"""The record of a sweep: what ran, the counts, and the numbers that follow from them.

A record is one JSON file; the counts of every image lie beside it in a compressed array file. Both are data only.
Whoever reads a record recomputes it, and refuses one that does not agree with itself.
"""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experiments.files import whole_file
from experiments.robustness import class_counts, corruption_means, mean_iou, shift_scores, summarise
from experiments.statistics import LEVEL, RESAMPLES, intervals
from user_error import UserError

FORMAT = "robust-segmentation-record/1"
TOLERANCE = 1e-9


Count = Annotated[int, Field(ge=0, le=2**53)]
Interval = tuple[float | None, float | None]


class Cell(BaseModel):
    """Counts and score of one condition; `clean` and real shifts have severity 0."""

    model_config = ConfigDict(extra="forbid")

    corruption: str
    severity: int = Field(ge=0, le=5)
    confusion: list[list[Count]]
    miou: float | None


class PerImage(BaseModel):
    """The array file beside the record: ``ids`` (N,) and ``counts`` (N, conditions, K, 3)."""

    model_config = ConfigDict(extra="forbid")

    file: str
    sha256: str


class Summary(BaseModel):
    """Numbers of a leaderboard row, with their bootstrap intervals over images."""

    model_config = ConfigDict(extra="forbid")

    clean_miou: float | None
    mean_corrupted_miou: float | None
    retention: float | None
    corruptions: dict[str, float | None]
    shifts: dict[str, float | None] = {}
    intervals: dict[Literal["clean_miou", "mean_corrupted_miou", "retention"], Interval]
    interval_method: str


class Manifest(BaseModel):
    """What decides the pixels of a sweep; see `Suite.manifest`."""

    model_config = ConfigDict(extra="allow")

    name: str
    version: int


class Data(BaseModel):
    """The images of a sweep; `hash` is of the pixels that the network met clean, and of their masks."""

    model_config = ConfigDict(extra="forbid")

    name: str
    split: str
    images: int
    batch_size: int
    hash: str


class Record(BaseModel):
    """All of a sweep but the counts of single images."""

    model_config = ConfigDict(extra="forbid")

    format: str
    name: str
    created: str
    classes: list[str] = Field(min_length=1)
    suite: Manifest
    suite_hash: str
    data: Data
    recipe: dict[str, Any]
    checkpoint: dict[str, Any]
    environment: dict[str, Any]
    cells: list[Cell] = Field(min_length=1)
    summary: Summary
    per_image: PerImage

    @property
    def conditions(self) -> list[tuple[str, int]]:
        """(corruption, severity) of each cell."""
        return [(cell.corruption, cell.severity) for cell in self.cells]

    @property
    def confusion(self) -> np.ndarray:
        """(conditions, K, K) int64; rows are true classes."""
        return np.array([cell.confusion for cell in self.cells], dtype=np.int64)


def number(value: float | np.ndarray) -> float | None:
    """A score as JSON holds it: NaN is written as null."""
    return None if np.isnan(value) else float(value)


def make_cells(conditions: list[tuple[str, int]], confusion: np.ndarray) -> list[Cell]:
    """Cells of summed confusion matrices (conditions, K, K)."""
    scores = mean_iou(class_counts(confusion))
    return [
        Cell(corruption=corruption, severity=severity, confusion=matrix.tolist(), miou=number(score))
        for (corruption, severity), matrix, score in zip(conditions, confusion, scores, strict=True)
    ]


def make_summary(conditions: list[tuple[str, int]], confusion: np.ndarray, images: np.ndarray) -> Summary:
    """Summary of confusion matrices (conditions, K, K) and counts of images (N, conditions, K, 3)."""
    miou = mean_iou(class_counts(confusion))
    return Summary(
        **{name: number(value) for name, value in summarise(miou, conditions).items()},
        corruptions={name: number(value) for name, value in corruption_means(miou, conditions).items()},
        shifts={name: number(value) for name, value in shift_scores(miou, conditions).items()},
        intervals=intervals(images, conditions),  # type: ignore[arg-type]
        interval_method=f"percentile bootstrap over images, {RESAMPLES} resamples, seed 0, level {LEVEL}",
    )


def write_record(record: Record, path: Path, ids: list[str], images: np.ndarray) -> None:
    """Write the counts of images, then the record that names their hash: a record on disk is complete.

    Raises:
        OSError: the folder cannot be written or the disk is full.
    """
    counts_path = path.with_suffix(".npz")
    with whole_file(counts_path, "wb") as file:
        np.savez_compressed(file, ids=np.array(ids), counts=images.astype(np.int32))
    record.per_image = PerImage(file=counts_path.name, sha256=sha256(counts_path))
    with whole_file(path) as file:
        file.write(dump(record) + "\n")


def dump(record: Record) -> str:
    """JSON with a line for each entry and each cell."""
    fields = record.model_dump()
    cells = ",\n".join("    " + json.dumps(cell) for cell in fields.pop("cells"))
    text = json.dumps(fields, indent=2)
    return text[:-2] + ',\n  "cells": [\n' + cells + "\n  ]\n}"


def manifest_hash(manifest: dict[str, Any]) -> str:
    """Hex digest of a manifest, whatever the order of its keys."""
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_record(path: Path) -> Record:
    """Read a record and recompute it.

    Raises:
        UserError: no such file, no record, or numbers that do not agree.
    """
    try:
        record = Record.model_validate_json(path.read_text())
    except FileNotFoundError as error:
        raise UserError(f"no record {str(path)!r}: pass the JSON file that 'benchmark' wrote") from error
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise UserError(f"{str(path)!r} is not a record: pass the JSON file that 'benchmark' wrote") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problem = f"{where}: {first['msg']}" if where else first["msg"]
        raise UserError(f"{str(path)!r} is not a record ({problem}): write it anew with 'benchmark'") from error
    if record.format != FORMAT:
        raise UserError(f"{str(path)!r} has the format {record.format!r}; this version reads {FORMAT!r}")
    if record.suite_hash != manifest_hash(record.suite.model_dump()):
        raise UserError(f"the suite_hash of {str(path)!r} is not that of its manifest: the record was altered")
    _verify(record, path)
    return record


def read_images(record: Record, path: Path) -> tuple[list[str], np.ndarray]:
    """Ids and counts (N, conditions, K, 3) of the images of the record at `path`.

    Raises:
        UserError: the array file is missing, altered or does not add up to the cells.
    """
    name = record.per_image.file
    if Path(name).name != name:
        raise UserError(f"{str(path)!r} names per-image counts outside its folder ({name!r}): it was not opened")
    file = path.parent / name
    if not file.is_file():
        raise UserError(f"{str(path)!r} needs its per-image counts {name!r} beside it: copy that file too")
    if sha256(file) != record.per_image.sha256:
        raise UserError(f"{str(file)!r} is not the file that {path.name!r} was written with: take both from one sweep")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            ids, images = [str(name) for name in arrays["ids"]], arrays["counts"].astype(np.int64)
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{str(file)!r} holds no per-image counts ({error})") from error
    wanted = class_counts(record.confusion)
    if images.shape[1:] != wanted.shape:
        raise UserError(f"{str(file)!r} has counts of another shape than the cells of {path.name!r}")
    wrong = (images.sum(0) != wanted).any((1, 2))
    if wrong.any():
        raise UserError(f"{_cell(record, wrong)} of {str(path)!r} is not the sum of its images")
    return ids, images


def _cell(record: Record, wrong: np.ndarray) -> str:
    corruption, severity = record.conditions[int(np.argmax(wrong))]
    return f"the cell {corruption}, severity {severity},"


def _verify(record: Record, path: Path) -> None:
    """Every number in cells and summary follows from the confusion matrices."""
    size = len(record.classes)
    for cell in record.cells:
        square = len(cell.confusion) == size and all(len(row) == size for row in cell.confusion)
        if not square:
            raise UserError(
                f"{str(path)!r}: the confusion matrix of {cell.corruption}, severity {cell.severity}, is not "
                f"{size} x {size} counts"
            )
    if len(set(record.conditions)) != len(record.conditions) or ("clean", 0) not in record.conditions:
        raise UserError(
            f"{str(path)!r}: its cells must name each condition once and 'clean' with severity 0 among them"
        )
    miou = mean_iou(class_counts(record.confusion))
    stated = np.array([np.nan if cell.miou is None else cell.miou for cell in record.cells])
    wrong = ~np.isclose(stated, miou, rtol=0, atol=TOLERANCE, equal_nan=True)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise UserError(
            f"{_cell(record, wrong)} of {str(path)!r} states mIoU {stated[at]:.6f}, but its counts give {miou[at]:.6f}: "
            "the record was altered; write it anew with 'benchmark'"
        )
    wanted: dict[str, Any] = {name: number(value) for name, value in summarise(miou, record.conditions).items()}
    groups = {"corruptions": corruption_means(miou, record.conditions), "shifts": shift_scores(miou, record.conditions)}
    given = record.summary.model_dump()
    if len(given["intervals"]) != 3 or any(list(given[group]) != list(scores) for group, scores in groups.items()):
        raise UserError(f"the summary of {str(path)!r} does not have the conditions of its cells and three intervals")
    for group, scores in groups.items():
        wanted |= {f"{group}.{key}": number(value) for key, value in scores.items()}
        given |= {f"{group}.{key}": value for key, value in given[group].items()}
    for name, value in wanted.items():
        if not _same(given.get(name), value):
            raise UserError(
                f"the summary of {str(path)!r} states {name} {given.get(name)}, but its cells give {value}: "
                "the record was altered; write it anew with 'benchmark'"
            )


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= TOLERANCE
