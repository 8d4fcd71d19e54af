"""Small records for tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.record import (
    FORMAT,
    Data,
    Manifest,
    PerImage,
    Record,
    make_cells,
    make_summary,
    manifest_hash,
    write_record,
)
from experiments.robustness import class_counts

CONDITIONS = [("clean", 0), ("noise", 1), ("noise", 5)]


def make_record(
    path: Path,
    name: str = "net",
    seed: int = 0,
    images: int = 6,
    cells: Sequence[tuple[str, int]] = CONDITIONS,
    **manifest: Any,
) -> Path:
    suite = {"name": "test", "version": 1, **manifest}
    confusions = np.random.default_rng(seed).integers(0, 50, (images, len(cells), 2, 2))
    counts = class_counts(confusions)
    record = Record(
        format=FORMAT,
        name=name,
        created="2026-01-01T00:00:00+00:00",
        classes=["ground", "thing"],
        suite=Manifest(**suite),
        suite_hash=manifest_hash(suite),
        data=Data(name="scenes", images=images, hash="d", split="test", batch_size=1),
        recipe={},
        checkpoint={},
        environment={},
        cells=make_cells(list(cells), confusions.sum(0)),
        summary=make_summary(list(cells), confusions.sum(0), counts),
        per_image=PerImage(file="", sha256=""),
    )
    write_record(record, path, [str(k) for k in range(images)], counts)
    return path
