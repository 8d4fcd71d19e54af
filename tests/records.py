"""Small records for tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.evaluation.images import Images
from experiments.evaluation.record import FORMAT, Data, Manifest, PerImage, Record, hash_manifest
from experiments.evaluation.scores.base import Counts
from experiments.evaluation.scores.tasks import TASK
from experiments.evaluation.scoring import describe_counts, find_intervals, make_cells, make_summary
from experiments.record_files.record_file import write_record
from lightning_modules.metrics.sweep import SweepCounts

CONDITIONS = [("clean", 0), ("noise", 1), ("noise", 5)]
CLASSES = ["ground", "thing", "sky"]


def sweep(images: int, conditions: int, seed: int = 0, noise: float = 0.7, classes: int = 3) -> tuple[Counts, Counts]:
    """What a sweep counts of random logits, which follow the masks less and less from condition to condition."""
    random = np.random.default_rng(seed)
    mask = torch.from_numpy(np.random.default_rng(0).integers(0, classes, (images, 5, 6)))
    metric, counted = SweepCounts(classes, conditions), []
    for condition in range(conditions):
        draws = torch.from_numpy(random.normal(0, noise * (1 + condition), (images, classes, 5, 6)))
        logits = torch.nn.functional.one_hot(mask, classes).movedim(-1, 1) + draws
        counted.append(metric.count(logits, logits.argmax(1), mask, condition))
    counts = {name: torch.stack([one[name] for one in counted], 1).numpy() for name in counted[0]}
    sums = {name: state.numpy() for name, state in metric.compute().items()}
    return sums | {name: part.sum(0) for name, part in counts.items()}, counts


SHIFTED = [("clean", 0), ("weather=fog", 0), ("weather=rain", 0)]


def make_shift_record(path: Path, name: str, seed: int = 0, images: int = 6, **settings: Any) -> Path:
    """Write a record of real shifts alone, each of three images as it says."""
    entries = [
        {"corruption": one, "severity": 0, "kind": "shift" if "=" in one else "clean", "parameters": {"images": 3}}
        for one, _ in SHIFTED
    ]
    return make_record(path, name, seed, images, SHIFTED, conditions=entries, **settings)


def make_record(
    path: Path,
    name: str = "net",
    seed: int = 0,
    images: int = 6,
    cells: Sequence[tuple[str, int]] = CONDITIONS,
    *,
    noise: float = 0.7,
    units: list[str] | None = None,
    places: list[int] | None = None,
    recipe: dict[str, Any] | None = None,
    tasks: Mapping[str, np.ndarray] | None = None,
    classes: Sequence[str] = CLASSES,
    data: str = "scenes",
    digest: str | None = None,
    **manifest: Any,
) -> Path:
    """Write a record of a small sweep.

    `units` are patients, with `places` sequences; `tasks` the counts (images, cells, S) of further ones, `manifest`
    other entries of the suite's, `data` their name, `digest` that of the checkpoint.
    """
    entries = [{"corruption": one, "severity": severity, "family": "noise"} for one, severity in cells]
    suite = Manifest(**{"name": "test", "version": 1, "conditions": entries, **manifest})
    totals, counts = sweep(images, len(cells), seed, noise, len(classes))
    further = {f"{TASK}{one}": part for one, part in (tasks or {}).items()}
    totals, counts = {**totals, **{one: part.sum(0) for one, part in further.items()}}, {**counts, **further}
    swept = Images([str(k) for k in range(images)], counts, units, places)
    unit, sequence = (None if units is None or places else "patient"), ("drive" if places else None)
    of = Data(name=data, images=images, hash="d", split="test", batch_size=1, unit=unit, sequence=sequence)
    bounds, cell_bounds = find_intervals(cells, swept, suite)
    record = Record(
        format=FORMAT,
        name=name,
        created="2026-01-01T00:00:00+00:00",
        classes=[*classes],
        suite=suite,
        suite_hash=hash_manifest(suite.model_dump()),
        data=of,
        recipe=recipe or {},
        checkpoint={} if digest is None else {"sha256": digest},
        environment={},
        counts=describe_counts(totals, counts),
        cells=make_cells(cells, totals, cell_bounds),
        summary=make_summary(cells, totals, suite, bounds, of.resampled_units),
        per_image=PerImage(file="", sha256=""),
    )
    write_record(record, path, swept)
    return path
