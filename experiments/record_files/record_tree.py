"""Where records lie in a tree of results, and names that are fit for files whatever a record calls itself."""

import json
import re
from hashlib import sha256
from pathlib import Path

from experiments.evaluation.protocol import read_protocol
from experiments.evaluation.record import Record

LONGEST = 100
"""Letters of a name in a path; file systems take 255 bytes, and endings are added."""


def make_file_name(text: str) -> str:
    """A name as part of a path: without separators and leading dots, so that it stays in its folder."""
    return re.sub(r"[^\w.+=-]+", "_", text).strip(".")[:LONGEST].rstrip(".") or "_"


def make_record_path(record: Record, folder: Path) -> Path:
    """The path of a record in a tree, ``DATA/SUITE/NAME.json``, with characters unfit for file names replaced.

    A protocol that is not the usual one has a folder of its own beside the suite's, named by a digest of its settings.
    """
    data, suite, name = map(make_file_name, (record.data.name, record.suite.name, record.name))
    protocol = read_protocol(record.suite.model_extra or {})
    if protocol:
        suite += f"-protocol-{sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:8]}"
    return folder / data / suite / f"{name}.json"
