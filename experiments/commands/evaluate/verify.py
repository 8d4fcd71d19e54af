"""Recompute a record, and sweep a sample of its conditions again."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np

from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.comparable import manifest_difference
from experiments.evaluation.recomputed import ALTERED
from experiments.evaluation.record import Images, Manifest, Record, manifest_hash
from experiments.evaluation.robustness import CLEAN
from experiments.record_files.record_file import open_record
from user_error import UserError

if TYPE_CHECKING:
    from datamodules.base import SegmentationDataModule
    from experiments.sweeping.swept import Swept
    from lightning_modules.segmentation import SegmentationModule

EXAMPLES = """
runs/camvid_fpn/record-core.json
runs/camvid_fpn/record-core.json --checkpoint runs/camvid_fpn/best.ckpt
x.json --checkpoint net.ckpt --conditions 10 --data experiments/configs/data/camvid.yaml
"""

TIES = 1e-6
"""Share of the pixels that may change their class: other devices, thread counts and batch sizes round logits otherwise."""

FEW = 4
"""Pixels that always may, where the images are small."""


class Deviation(NamedTuple):
    """Pixels that a second sweep of a condition counted, and how many at least it put into another class."""

    corruption: str
    severity: int
    pixels: int
    moved: int

    @property
    def agrees(self) -> bool:
        """Whether ties of logits explain it."""
        return self.moved <= max(FEW, TIES * self.pixels)


def choose(record: Record, number: int, seed: int) -> list[int]:
    """Positions of clean and of `number` - 1 other conditions, in their order."""
    clean = record.conditions.index((CLEAN, 0))
    others = [place for place in range(len(record.conditions)) if place != clean]
    return sorted([clean, *random.Random(seed).sample(others, min(number - 1, len(others)))])


def deviations(record: Record, images: Images | None, places: Sequence[int], swept: "Swept") -> list[Deviation]:
    """How far a second sweep of some conditions is from the record; image by image where the record has their counts."""
    totals = record.totals
    found = []
    for again, place in enumerate(places):
        counts = swept.counts["classes"][:, again]
        if images is None:
            counts, known = counts.sum(0), totals["classes"][place]
        else:
            known = images.counts["classes"][:, place]
        hit, predicted, true = (int(np.abs(counts - known)[..., part].sum()) for part in range(3))
        moved = max(hit, (predicted + 1) // 2, true)
        found.append(Deviation(*record.conditions[place], int(totals["confusion"][place].sum()), moved))
    return found


def sweep_again(
    record: Record,
    places: Sequence[int],
    checkpoint: Path,
    data: "SegmentationDataModule",
    suite: str | None = None,
    device: str = "auto",
) -> "Swept":
    """Counts of the conditions at `places`, swept anew in this process.

    Raises:
        UserError: checkpoint, suite or images are not those of the record.
    """
    from experiments.checkpoints.checkpoint import load_module
    from experiments.checkpoints.matching import Mapped
    from experiments.checkpoints.opened_checkpoint import CheckpointFile
    from experiments.command_line.device import usable
    from experiments.sweeping.sweep import data_hash, prepare, sweep_once

    on = usable(device)
    file = CheckpointFile(checkpoint)
    module = load_module(file)
    if file.sha256 != record.checkpoint.get("sha256"):
        raise UserError(
            f"{str(checkpoint)!r} is not the checkpoint that {record.name!r} was swept with: pass that file"
        )
    suite = _suite(record, suite)
    seed, precision = _settings(record)
    mapped = Mapped.from_json(record.recipe.get("mapped"))
    found = prepare(data, module, file, suite=suite, split=record.data.split, seed=seed, mapped=mapped)
    if record.data.batch_size > data.eval_batch_size:  # what the user asks for is the user's business
        require_room(record, module, data)
    data.eval_batch_size = record.data.batch_size
    manifest = Manifest.model_validate(found.manifest(data.size))
    if manifest_hash(manifest.model_dump()) != record.suite_hash:
        raise UserError(
            f"the suite {suite!r} is not that of the record ({manifest_difference(record.suite, manifest)}): pass the "
            "record's as --suite, its --data.init_args.size, and install the versions that it names"
        )
    found.conditions = tuple(found.conditions[place] for place in places)
    swept = sweep_once(module, data, found, "gpu" if on.type == "cuda" else on.type, precision, on.index or 0)
    if data_hash(list(data.open_split(data.test_split).ids), swept.digests) != record.data.hash:
        raise UserError(f"the images here are not those of {record.name!r}: pass the --data that it was swept on")
    return swept


def _settings(record: Record) -> tuple[int, str]:
    """Seed and precision of a sweep, which a record holds among things of any form.

    Raises:
        UserError: they have another form.
    """
    seed = (record.suite.model_extra or {}).get("seed", 0)
    precision = record.environment.get("precision", "32-true")
    if not isinstance(seed, int) or isinstance(seed, bool) or not isinstance(precision, str):
        raise UserError(f"{record.name!r} was swept with the seed {seed!r} and the precision {precision!r}: {ALTERED}")
    return seed, precision


def require_room(record: Record, module: "SegmentationModule", data: "SegmentationDataModule") -> None:
    """Refuse a record whose batches would not fit into memory: it may be a stranger's, and say any number.

    Raises:
        UserError: they would not.
    """
    import torch

    from experiments.checkpoints.memory import available_bytes
    from experiments.measuring.peak_memory import peak_bytes

    image = data.make_evaluation_view(data.open_split(data.test_split))[0]["image"][None]
    with torch.inference_mode():
        needed = record.data.batch_size * peak_bytes(lambda: module.eval().predict_logits(image), image.device)
    free = available_bytes()
    if free is not None and needed > free:
        raise UserError(
            f"{record.name!r} says that it was swept in batches of {record.data.batch_size} images, which take about "
            f"{needed / 2**30:.3g} GiB where {free / 2**30:.3g} are free: verify it on a larger machine"
        )


def _suite(record: Record, given: str | None) -> str:
    """The suite to sweep: a record may name one of the project's, but no file, which could name any class."""
    from experiments.sweeping.suites import suite_names

    if given is None and record.suite.name not in suite_names():
        raise UserError(f"{record.name!r} was swept with the suite {record.suite.name!r}: pass its YAML as --suite")
    return given or record.suite.name


def verify_record(
    record: Annotated[Path, Option(metavar="RECORD")],
    /,
    *,
    checkpoint: Path | None = None,
    conditions: int = 3,
    seed: Annotated[int, Option(formerly="--draw")] = 0,
    suite: str | None = None,
    device: Annotated[str, Option(formerly="--accelerator")] = "auto",
    data: ChosenData | None = None,
) -> None:
    """Recompute every number of a record from its counts and from those of its images.

    With --checkpoint, also sweep some of its conditions again and compare the counts.

    Args:
        record: JSON file that 'benchmark' wrote.
        checkpoint: the record's: sweeps a sample of its conditions again.
        conditions: how many, clean among them.
        seed: chooses the conditions.
        suite: YAML of the suite, where it is not one of the project's.
        device: cpu, cuda, ... (default: a GPU where there is one).
        data: of the checkpoint.

    Raises:
        UserError: the record does not agree with itself, or with a second sweep.
    """
    if conditions < 1:
        raise UserError(f"{conditions} conditions cannot be swept: give --conditions at least 1")
    opened, images = open_record(record)
    print(f"{record}: every score follows from the counts of its {len(opened.cells)} cells")
    if images is None:
        print(f"  the counts of its images ({opened.per_image.file}) are not beside it: intervals are as stated")
    else:
        print(f"  the counts, and every interval, follow from those of its {len(images.ids)} images")
    if checkpoint is None or data is None:
        return
    places = choose(opened, conditions, seed)
    found = deviations(opened, images, places, sweep_again(opened, places, checkpoint, data.module, suite, device))
    for one in found:
        print(f"  {one.corruption} {one.severity}: {one.moved} of {one.pixels} pixels differ in a second sweep")
    wrong = [one for one in found if not one.agrees]
    if wrong:
        raise UserError(
            f"the cell {wrong[0].corruption}, severity {wrong[0].severity}, of {str(record)!r} does not come out again: "
            f"{wrong[0].moved} of {wrong[0].pixels} pixels differ, more than ties of logits explain"
        )


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("verify", verify_record, EXAMPLES, argv)
