"""Where records lie in a tree of results, and names that are fit for files whatever a record calls itself."""

import re
from pathlib import Path

from experiments.evaluation.record import Record

LONGEST = 100
"""Letters of a name in a path; file systems take 255 bytes, and endings are added."""


def make_file_name(text: str) -> str:
    """A name as part of a path: without separators and leading dots, so that it stays in its folder."""
    return re.sub(r"[^\w.+=-]+", "_", text).strip(".")[:LONGEST].rstrip(".") or "_"


def make_record_path(record: Record, folder: Path) -> Path:
    """The path of a record in a tree, ``DATA/SUITE/NAME.json``, with characters unfit for file names replaced."""
    data, suite, name = map(make_file_name, (record.data.name, record.suite.name, record.name))
    return folder / data / suite / f"{name}.json"
