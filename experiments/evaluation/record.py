"""The record of a sweep: what ran, the counts, and the numbers that follow from them.

A record is one JSON file; the counts of every image lie beside it in a compressed array file. Both are data only.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    model_validator,
)

from experiments.evaluation import robustness
from experiments.evaluation.blocks import find_block_length
from experiments.evaluation.earlier import upgrade
from experiments.evaluation.kinds import find_kind
from experiments.evaluation.order import describe_order
from experiments.evaluation.protocol import describe_protocol
from experiments.evaluation.robustness import Condition
from plain_values import find_problem, show

FORMAT = "robust-segmentation-record/3"


MOST_FACTS = 100_000
"""Most values in the free-form parts of a record, such as its recipe."""


def _check_facts(facts: Any) -> Any:
    if problem := find_problem(facts, most=MOST_FACTS):
        raise ValueError(problem)
    return facts


def _check_integers(nested: Any) -> Any:
    """Nested lists of integers."""
    try:
        found = np.array(nested)
    except ValueError as error:
        raise ValueError("rows of different lengths") from error
    if found.dtype.kind not in "iu" or (found.size and max(int(found.max()), -int(found.min())) > 2**53):
        raise ValueError("counts are whole numbers of at most 2^53")
    return nested


Count = Annotated[int, Field(ge=0, le=2**53)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
Facts = Annotated[dict[str, Any], AfterValidator(_check_facts)]
Score = float | None
Edges = tuple[Score, Score]


class Strict(BaseModel):
    """Nothing but what is declared."""

    model_config = ConfigDict(extra="forbid")


class Bounds(Strict):
    """Intervals of one number."""

    percentile: Edges
    bca: Edges
    jackknife: Edges | None = None  # records of before have none

    @property
    def edges(self) -> Edges:
        """The interval that is shown: the jackknife's where it is known; `None` for edges that there are too few units for."""
        return self.bca if self.jackknife is None else self.jackknife


class CountForm(Strict):
    """The form of counts of one name.

    ``shape`` under one condition; ``per_image`` whether the array file holds those of every image, which add up to them.
    """

    shape: list[Annotated[int, Field(ge=1, le=2**20)]] = Field(max_length=4)
    per_image: bool


class Cell(Strict):
    """Counts and scores of one condition, by name; see `known_counts` and `scores`."""

    corruption: str
    severity: int = Field(ge=0, le=2**31)
    counts: dict[str, Annotated[Any, AfterValidator(_check_integers)]]
    scores: dict[str, Score | list[Score]]
    miou_interval: Bounds

    @property
    def miou(self) -> Score:
        """The score that robustness is stated in."""
        found = self.scores.get("miou")
        return None if isinstance(found, list) else found


class PerImage(Strict):
    """The array file beside the record: ``ids`` (N,), perhaps ``units`` (N,), and counts (N, conditions, ...) by name."""

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
    """Numbers of a leaderboard row, see `experiments.evaluation.robustness`, with their intervals by dotted name.

    Numbers that this version does not know are passed over.
    """

    model_config = ConfigDict(extra="ignore")

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
    means: dict[str, Score] = {}
    """Of each kind of conditions that is not in the headline numbers, such as attacks beside corruptions."""
    intervals: dict[str, Bounds]
    interval_method: str


class Manifest(BaseModel):
    """What decides the pixels of a sweep; see `Suite.make_manifest`."""

    model_config = ConfigDict(extra="allow")

    name: str
    version: int
    conditions: list[dict[str, Any]] = []

    @model_validator(mode="after")
    def _check_plain(self) -> "Manifest":
        problem = find_problem([self.model_extra, self.conditions], most=MOST_FACTS, finite=True)
        if problem:  # its hash is one of JSON
            raise ValueError(problem)
        for entry in self.conditions:
            for key, kind in (("corruption", str), ("family", str), ("severity", int)):
                if not isinstance(entry.get(key), kind | None):
                    raise ValueError(f"a condition whose {key} is {show(entry[key])}")
        return self

    @property
    def order_in_words(self) -> str:
        """Where images were corrupted."""
        return describe_order(self.model_extra or {})

    @property
    def protocol_in_words(self) -> str:
        """How images were predicted and scored; empty for the usual way."""
        return describe_protocol(self.model_extra or {})

    @property
    def title(self) -> str:
        """Name and version, with the protocol where it is not the usual one."""
        return ", ".join(filter(None, (f"{self.name} v{self.version}", self.protocol_in_words)))

    def find_kinds(self, conditions: Sequence[Condition]) -> list[str]:
        """Kind of each condition, as the manifest has it."""
        stated = {(str(entry.get("corruption")), entry.get("severity")): find_kind(entry) for entry in self.conditions}
        return [stated.get(one, find_kind({"corruption": one[0]})) for one in conditions]

    def find_families(self) -> dict[str, str]:
        """Family of each condition with severities that has one."""
        found = {
            str(entry.get("corruption")): entry.get("family") for entry in self.conditions if entry.get("severity")
        }
        return {name: str(of) for name, of in found.items() if of}


class Data(Strict):
    """The images of a sweep; `hash` is of the clean pixels that the network was given, and of their masks.

    ``content`` is of their files and of the settings by which these are read; it is missing in earlier records.

    ``unit`` names what images belong together, such as a patient; ``sequence`` says how images follow each other, such as
    the frames of a drive. Where both are null each image stands for itself.
    """

    name: str
    split: Literal["train", "val", "test"]
    images: int = Field(ge=1, le=2**53)
    batch_size: int = Field(ge=1, le=2**31)
    hash: str
    unit: str | None = None
    sequence: str | None = Field(default=None, max_length=200)
    content: str | None = None

    @model_validator(mode="after")
    def _check_one(self) -> "Data":
        if self.unit is not None and self.sequence is not None:
            raise ValueError("both a unit and a sequence")
        return self

    @property
    def resampled_units(self) -> str:
        """What intervals are over, in words."""
        if self.sequence is not None:
            return f"blocks of {find_block_length(self.images)} images that follow each other by {self.sequence}"
        return "images" if self.unit is None else f"groups of images by {self.unit}"


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
    counts: dict[Name, CountForm] = Field(max_length=100)
    cells: Annotated[list[Cell], FailFast()] = Field(min_length=1)
    summary: Summary
    per_image: PerImage
    pictures: list[Picture] = []
    left_out: list[str] = []
    """Corruptions, and single severities of others, that left every image as it is: they are in no mean."""

    @model_validator(mode="before")
    @classmethod
    def _upgrade_earlier(cls, fields: Any) -> Any:
        return upgrade(fields, FORMAT)

    @property
    def conditions(self) -> list[Condition]:
        """(corruption, severity) of each cell."""
        return [(cell.corruption, cell.severity) for cell in self.cells]

    @property
    def kinds(self) -> list[str]:
        """Kind of each cell's condition."""
        return self.suite.find_kinds(self.conditions)

    @property
    def headline_places(self) -> list[int]:
        """Places of the conditions that enter the headline numbers."""
        return robustness.find_headline_places(self.conditions, self.left_out, self.kinds)

    @property
    def totals(self) -> dict[str, np.ndarray]:
        """The counts of all cells by name, (conditions, ...)."""
        return {name: np.array([cell.counts[name] for cell in self.cells], np.int64) for name in self.counts}


def drop_counts(record: Record) -> Record:
    """A copy of a record without the counts of its cells, which are most of its size; tables need the scores alone."""
    return record.model_copy(update={"cells": [cell.model_copy(update={"counts": {}}) for cell in record.cells]})


def dump(record: Record) -> str:
    """JSON with a line for each entry and each cell."""
    fields = record.model_dump(mode="json")
    if not fields["left_out"]:
        del fields["left_out"]
    for key in ("content", "sequence"):
        if fields["data"][key] is None:
            del fields["data"][key]
    cells = ",\n".join("    " + json.dumps(cell) for cell in fields.pop("cells"))
    text = json.dumps(fields, indent=2)
    return text[:-2] + ',\n  "cells": [\n' + cells + "\n  ]\n}"


def hash_manifest(manifest: dict[str, Any]) -> str:
    """Hex digest of a manifest, whatever the order of its keys."""
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
