"""From the counts of a sweep to its record."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from datamodules.base import Split
from experiments.checkpoints.settings import read_settings, to_plain
from experiments.evaluation.images import Images
from experiments.evaluation.record import FORMAT, Data, Manifest, PerImage, Record, hash_manifest
from experiments.evaluation.robustness import find_ineffective
from experiments.evaluation.scoring import describe_counts, find_intervals, make_cells, make_summary
from experiments.sweeping.suite import Suite
from experiments.sweeping.swept import Swept
from lightning_modules.segmentation import SegmentationModule


class SweptData(Protocol):
    """What a record says of images: a data module is one."""

    @property
    def classes(self) -> Sequence[str]:
        """Names, in the order of their ids."""

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) at which images are scored; `None` for that of their files."""

    @property
    def resizes(self) -> bool:
        """Whether they may have another size before."""

    @property
    def test_split(self) -> Split:
        """Which images they are."""

    @property
    def eval_batch_size(self) -> int:
        """Images in a batch."""

    @property
    def unit(self) -> str | None:
        """What groups them."""

    @property
    def sequence(self) -> str | None:
        """How they follow each other."""


def make_record(
    swept: Swept,
    images: Images,
    data: SweptData,
    suite: Suite,
    checkpoint: dict[str, Any],
    *,
    name: str,
    data_name: str,
    data_hash: str,
    content: str | None = None,
    recipe: dict[str, Any],
    environment: dict[str, Any],
) -> Record:
    """The record of a sweep's counts.

    Args:
        swept: the counts.
        images: those of each image.
        data: what was swept over.
        suite: the conditions.
        checkpoint: file and digest of the network, as far as there are any.
        name: of the network.
        data_name: of the data.
        data_hash: of the clean pixels.
        content: fingerprint of the files; `None` where it is not known.
        recipe: how the network was trained.
        environment: hardware and versions.
    """
    manifest = Manifest(**suite.make_manifest(data.size, data.resizes))  # type: ignore[arg-type]
    conditions = [(condition.name, condition.severity) for condition in suite.conditions]
    totals = swept.totals
    left_out = find_ineffective(conditions, swept.changed.tolist())
    bounds, cell_bounds = find_intervals(conditions, images, manifest, left_out)
    of = Data(
        name=data_name,
        split=data.test_split,
        images=len(images.ids),
        batch_size=data.eval_batch_size,
        hash=data_hash,
        unit=data.unit,
        sequence=data.sequence,
        content=content,
    )
    return Record(
        format=FORMAT,
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        classes=list(data.classes),
        suite=manifest,
        suite_hash=hash_manifest(suite.make_manifest(data.size, data.resizes)),
        data=of,
        recipe=recipe,
        checkpoint=checkpoint,
        environment=environment,
        counts=describe_counts(totals, images.counts),
        cells=make_cells(conditions, totals, cell_bounds),
        summary=make_summary(conditions, totals, manifest, bounds, of.resampled_units, left_out),
        left_out=left_out,
        per_image=PerImage(file="", sha256=""),
    )


def describe_recipe(checkpoint: Path, module: SegmentationModule, data: dict[str, Any]) -> dict[str, Any]:
    """How the network was trained, as far as the run folder or the checkpoint knows, and the data of this sweep.

    ``trained_on`` are the data of the training where they were described otherwise.
    """
    run = read_settings(checkpoint) or {"model": to_plain(dict(module.hparams))}
    known = {key: run[key] for key in ("seed_everything", "model", "trainer") if key in run}
    trained_on = to_plain(run.get("data"))
    return known | {"data": data} | ({} if trained_on in (None, data) else {"trained_on": trained_on})
