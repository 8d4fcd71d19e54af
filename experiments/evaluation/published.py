"""Published tables: numbers of the literature, to check metric code against and to show beside our records.

Whatever its layout, a table is read as cells (model, data set, condition, severity, score), and as what its source states
of each model beyond them: means and the like, which follow from the cells and are held against them
(`published_checks`).
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from experiments.evaluation.kinds import CLEAN, CORRUPTION, SHIFT
from experiments.evaluation.robustness import Condition

NAMES = {"miou": "mIoU", "ap": "AP", "accuracy": "accuracy"}
"""The metrics of tables, as they are written."""

Number = Literal["mean", "lowest", "mce", "relative_mce", "mrr"]
"""What a source may state of a model; see `published_checks.compute_number`."""


class Stated(BaseModel):
    """A number that the source states, and the conditions that it is of: all corruptions unless `of` names some."""

    model_config = ConfigDict(extra="forbid")

    number: Number
    of: list[str] = []


class Description(BaseModel):
    """The YAML that describes a table.

    A table of `layout` "long" has a row for each cell, with the columns model, corruption and severity, and score or error;
    data (the data set), family (models that are alike) and metric may stand beside them. One of layout "models" has a row
    for each model: model, perhaps data and family, and a column for each condition. One of "severities" holds a single
    model: a row for each corruption, a column for each severity.
    """

    model_config = ConfigDict(extra="forbid")

    title: str
    source: str
    metric: Literal["miou", "ap", "accuracy"]
    scale: float  # what a perfect score is in the table
    severities: str
    layout: Literal["long", "models", "severities"] = "long"
    cells: Literal["score", "error"] = "score"  # of the layouts without a column that says it
    severity: int | None = None  # at which all corruptions stand; a mean over severities without it
    reference: str | None = None
    model: str | None = None
    clean: float | None = None
    kinds: dict[str, list[str]] = {}  # conditions that are no corruptions, by their kind
    pooled: str | None = None  # the real condition that has the images of all others
    namesakes: dict[str, str] = {}  # real conditions with the corruption that imitates each
    stated: dict[str, Stated] = Field(default={}, validate_default=True)
    titles: dict[str, str] = {}  # what the source calls our numbers, such as mcd: mCE

    @field_validator("stated", mode="before")
    @classmethod
    def _read_short_form(cls, value: object) -> object:
        """A number alone is one of all corruptions."""
        if not isinstance(value, dict):
            return value
        return {name: {"number": entry} if isinstance(entry, str) else entry for name, entry in value.items()}

    @model_validator(mode="after")
    def _check_complete(self) -> "Description":
        if self.layout == "severities" and (self.model is None or self.clean is None):
            raise ValueError("a table of severities needs the keys model and clean")
        if self.severity is not None and self.severity < 1:
            raise ValueError("the key severity is below 1")
        if not self.scale > 0:
            raise ValueError("the key scale is not above zero")
        return self

    def find_kind(self, condition: str) -> str:
        """The kind of a condition by its name."""
        if condition == CLEAN:
            return CLEAN
        return next((kind for kind, names in self.kinds.items() if condition in names), CORRUPTION)


class Statement(NamedTuple):
    """A number that the source states of a model, and how finely it is printed."""

    number: Number
    of: tuple[str, ...]
    value: float
    step: float  # a unit of the last digit


class Published(NamedTuple):
    """The scores of one model, as fractions, like those of a record."""

    name: str
    conditions: list[Condition]
    scores: np.ndarray  # (conditions,)
    kinds: list[str]
    data: str = ""
    family: str = ""
    stated: Mapping[str, Statement] = {}

    @property
    def headline_places(self) -> list[int]:
        """Places of the clean images, the real shifts and the corruptions."""
        return [place for place, kind in enumerate(self.kinds) if kind in (CLEAN, SHIFT, CORRUPTION)]

    @property
    def headline(self) -> tuple[list[Condition], np.ndarray]:
        """The conditions at `headline_places`, and their scores."""
        return [self.conditions[place] for place in self.headline_places], self.scores[self.headline_places]


class Table(NamedTuple):
    """A published table; where its cells are means over severities, these stand at severity 1."""

    name: str
    description: Description
    models: list[Published]
    step: float  # a unit of the last digit of the cells

    def list_groups(self) -> list[list[Published]]:
        """The models of each data set, in the order of the table."""
        groups: dict[str, list[Published]] = {}
        for model in self.models:
            groups.setdefault(model.data, []).append(model)
        return list(groups.values())
