"""Checkpoint, recipe and data of a record, read without recomputing its scores."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from experiments.files.json_file import read_json


class SweptData(BaseModel):
    """The images of a sweep; see `experiments.evaluation.record.Data`."""

    split: Literal["train", "val", "test"]
    content: str | None = None


class Origin(BaseModel):
    """The part of a record that says where it comes from."""

    checkpoint: dict[str, Any]
    recipe: dict[str, Any]
    data: SweptData


def read_origin(path: Path) -> Origin:
    """Where the record at `path` comes from.

    Raises:
        UserError: it is no record.
    """
    return read_json(path, Origin, "record", "is not a record", "benchmark")
