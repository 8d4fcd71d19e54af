"""Published tables: numbers of the literature, to check metric code against and to show beside our records."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from experiments.evaluation.robustness import CLEAN, Condition


class Description(BaseModel):
    """The YAML that describes a table.

    A table of `layout` "models" has a row for each model: its name, its clean score and one for each corruption, a
    mean over severities. One of "severities" holds a single model: a row for each corruption, a column for each
    severity.
    """

    model_config = ConfigDict(extra="forbid")

    title: str
    source: str
    metric: Literal["miou", "ap"]
    scale: float  # what a perfect score is in the table
    severities: str
    layout: Literal["models", "severities"]
    reference: str | None = None
    model: str | None = None
    clean: float | None = None

    @model_validator(mode="after")
    def _check_complete(self) -> "Description":
        if self.layout == "severities" and (self.model is None or self.clean is None):
            raise ValueError("a table of severities needs the keys model and clean")
        return self


class Published(NamedTuple):
    """The scores of one model, as fractions, like those of a record."""

    name: str
    conditions: list[Condition]
    scores: np.ndarray  # (conditions,)


class Table(NamedTuple):
    """A published table; where its cells are means over severities, these stand at severity 1."""

    name: str
    description: Description
    models: list[Published]


def make_table(name: str, described: Description, columns: list[str], rows: list[dict[str, str]]) -> Table:
    """A table of its cells, which are texts.

    Raises:
        KeyError: a cell is missing.
        ValueError: one is no number.
    """
    models = (_read_models if described.layout == "models" else _read_severities)(described, columns, rows)
    return Table(name, described, models)


def _read_models(described: Description, columns: list[str], rows: list[dict[str, str]]) -> list[Published]:
    corruptions = [column for column in columns if column not in ("model", CLEAN)]
    conditions = [(CLEAN, 0), *((name, 1) for name in corruptions)]
    return [
        Published(row["model"], conditions, _as_ratios([row[name] for name, _ in conditions], described.scale))
        for row in rows
    ]


def _read_severities(described: Description, columns: list[str], rows: list[dict[str, str]]) -> list[Published]:
    cells = [
        ((row["corruption"], int(column)), row[column]) for row in rows for column in columns if column != "corruption"
    ]
    conditions = [(CLEAN, 0), *(condition for condition, _ in cells)]
    scores = _as_ratios([described.clean, *(value for _, value in cells)], described.scale)
    return [Published(str(described.model), conditions, scores)]


def _as_ratios(values: Sequence[Any], scale: float) -> np.ndarray:
    numbers = np.array([float(value) for value in values])
    if not scale > 0 or not np.isfinite(numbers).all():
        raise ValueError("a score is no finite number, or the scale is not above zero")
    return np.round(numbers / scale, 12)  # 82.4 / 100 is not quite 0.824
