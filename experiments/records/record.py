"""The record of a sweep: what ran, the counts, and the numbers that follow from them.

A record is one JSON file; the counts of every image lie beside it in a compressed array file. Both are data only.
"""

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, model_validator

from experiments.records import robustness
from experiments.records.robustness import Condition
from experiments.records.scores import (
    Counts,
    calibration_gaps,
    class_counts,
)
from experiments.records.statistics import by_unit
from lightning_modules.metrics.shares import Share
from safe_files.plain import complain, show

FORMAT = "robust-segmentation-record/2"


MOST_FACTS = 100_000
"""Values of what a record says in free form, such as its recipe."""


def _bounded(facts: Any) -> Any:
    if problem := complain(facts, most=MOST_FACTS):
        raise ValueError(problem)
    return facts


Count = Annotated[int, Field(ge=0, le=2**53)]
Row = Annotated[list[Count], FailFast()]
Rows = Annotated[list[Row], FailFast()]
Facts = Annotated[dict[str, Any], AfterValidator(_bounded)]
Score = float | None
Edges = tuple[Score, Score]


class Strict(BaseModel):
    """Nothing but what is declared."""

    model_config = ConfigDict(extra="forbid")


class Bounds(Strict):
    """Intervals of one number."""

    percentile: Edges
    bca: Edges


class TaskCell(Strict):
    """Counts and scores of a further task under one condition; see `lightning_modules.tasks.scores`."""

    counts: Row
    scores: dict[str, Score]


class Cell(Strict):
    """Counts and scores of one condition; `clean` and real shifts have severity 0.

    Counts: ``confusion`` (K, K), rows are true classes; ``boundary`` (K, 3), intersection, predicted and true pixels
    within the boundary regions; ``losses`` (2,), negative log-likelihood and Brier score in fixed point; ``calibration``
    (15, 3), pixels, correct ones and confidence in fixed point; ``odds`` (160, 2), pixels and correct ones.
    """

    corruption: str
    severity: int = Field(ge=0, le=5)
    confusion: Rows
    boundary: Rows
    losses: Row
    calibration: Rows
    odds: Rows
    miou: Score
    dice: Score
    pixel_accuracy: Score
    class_accuracy: Score
    boundary_iou: Score
    nll: Score
    brier: Score
    ece: Score
    aurc: Score
    class_iou: list[Score]
    class_dice: list[Score]
    class_boundary_iou: list[Score]
    miou_interval: Bounds
    tasks: dict[str, TaskCell] | None = None


class PerImage(Strict):
    """The array file beside the record.

    ``ids`` (N,), the fields of `Counts` (N, conditions, ...), but for ``gaps`` in files of earlier sweeps, perhaps
    ``units`` (N,) and, of each further task, ``task_NAME`` (N, conditions, S).
    """

    file: str
    sha256: str


class Picture(Strict):
    """A picture beside the record: an image whose score fell far."""

    file: str
    sha256: str
    id: str
    corruption: str
    severity: int
    clean_miou: float
    miou: float


class Worst(Strict):
    """The condition with the lowest mIoU."""

    corruption: str
    severity: int
    miou: float


class Summary(Strict):
    """Numbers of a leaderboard row, see `experiments.records.robustness`, with their intervals by dotted name."""

    clean_miou: Score
    mean_corrupted_miou: Score
    retention: Score
    mpc: Score
    rpc: Score
    severity_area: Score
    worst: Worst | None
    gam: dict[int, Score]
    rem: Score
    families: dict[str, Score]
    corruptions: dict[str, Score]
    shifts: dict[str, Score]
    intervals: dict[str, Bounds]
    interval_method: str


class Manifest(BaseModel):
    """What decides the pixels of a sweep; see `Suite.manifest`."""

    model_config = ConfigDict(extra="allow")

    name: str
    version: int
    conditions: list[dict[str, Any]] = []

    @model_validator(mode="after")
    def _plain(self) -> "Manifest":
        problem = complain([self.model_extra, self.conditions], most=MOST_FACTS, finite=True)
        if problem:  # its hash is one of JSON
            raise ValueError(problem)
        for entry in self.conditions:
            for key, kind in (("corruption", str), ("family", str), ("severity", int)):
                if not isinstance(entry.get(key), kind | None):
                    raise ValueError(f"a condition whose {key} is {show(entry[key])}")
        return self

    def of_family(self, family: str | None = None) -> dict[str, str]:
        """Family of each corruption that has one; of those in `family` alone where it is given."""
        found = {
            str(entry.get("corruption")): entry.get("family") for entry in self.conditions if entry.get("severity")
        }
        return {name: str(of) for name, of in found.items() if of and family in (None, of)}


class Data(Strict):
    """The images of a sweep; `hash` is of the pixels that the network met clean, and of their masks.

    ``content`` is of their files and of the settings by which these are read; it is missing in earlier records.

    ``unit`` names what images belong together, such as a patient; where it is null each image stands for itself.
    """

    name: str
    split: Literal["train", "val", "test"]
    images: Count
    batch_size: int = Field(ge=1, le=2**31)
    hash: str
    unit: str | None = None
    content: str | None = None


class Record(Strict):
    """All of a sweep but the counts of single images."""

    format: str
    name: str
    created: str
    classes: list[str] = Field(min_length=1)
    suite: Manifest
    suite_hash: str
    data: Data
    recipe: Facts
    checkpoint: Facts
    environment: Facts
    cells: Annotated[list[Cell], FailFast()] = Field(min_length=1)
    summary: Summary
    per_image: PerImage
    pictures: list[Picture] = []
    left_out: list[str] = []
    """Corruptions, and single severities of others, that left every image as it is: they are in no mean."""

    @property
    def conditions(self) -> list[Condition]:
        """(corruption, severity) of each cell."""
        return [(cell.corruption, cell.severity) for cell in self.cells]

    @property
    def counted(self) -> list[int]:
        """Places of the conditions that enter means."""
        return robustness.counted(self.conditions, self.left_out)

    @property
    def totals(self) -> "Totals":
        """The counts of all cells."""
        return Totals(*(np.array([getattr(cell, name) for cell in self.cells], np.int64) for name in Totals._fields))


class Totals(NamedTuple):
    """Sums of a sweep over its images; the first axis is that of the conditions."""

    confusion: np.ndarray  # (conditions, K, K)
    boundary: np.ndarray  # (conditions, K, 3)
    losses: np.ndarray  # (conditions, 2)
    calibration: np.ndarray  # (conditions, 15, 3)
    odds: np.ndarray  # (conditions, bins, 2)

    def counts(self) -> Counts:
        """Those that the counts of images add up to."""
        return Counts(class_counts(self.confusion), self.boundary, self.losses, calibration_gaps(self.calibration))


class Images(NamedTuple):
    """What is known of each image of a sweep."""

    ids: list[str]
    counts: Counts  # (N, conditions, ...)
    units: list[str] | None = None
    tasks: Mapping[str, np.ndarray] = MappingProxyType({})  # (N, conditions, S)

    def share(self, of: Share) -> Share:
        """A share of `counts`, summed up over the images of each unit."""
        return of if self.units is None else by_unit(of, self.units)


def without_counts(record: Record) -> Record:
    """A record that was read, as tables take it: its cells' scores without their counts, which are most of it."""
    light: dict[str, list] = {name: [] for name in Totals._fields}
    return record.model_copy(update={"cells": [cell.model_copy(update=light) for cell in record.cells]})


def dump(record: Record) -> str:
    """JSON with a line for each entry and each cell."""
    fields = record.model_dump(mode="json")
    if not fields["left_out"]:
        del fields["left_out"]
    if fields["data"]["content"] is None:
        del fields["data"]["content"]
    for cell in fields["cells"]:
        if cell["tasks"] is None:  # as most networks do one thing
            del cell["tasks"]
    cells = ",\n".join("    " + json.dumps(cell) for cell in fields.pop("cells"))
    text = json.dumps(fields, indent=2)
    return text[:-2] + ',\n  "cells": [\n' + cells + "\n  ]\n}"


def manifest_hash(manifest: dict[str, Any]) -> str:
    """Hex digest of a manifest, whatever the order of its keys."""
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
