"""Recompute a record, and sweep a sample of its conditions again."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np

from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.comparable import find_manifest_difference
from experiments.evaluation.images import Images
from experiments.evaluation.order import read_order
from experiments.evaluation.recomputed import ALTERED
from experiments.evaluation.record import Manifest, Record, hash_manifest
from experiments.evaluation.robustness import CLEAN
from experiments.record_files.record_file import open_record
from user_error import UserError

if TYPE_CHECKING:
    from datamodules.base import SegmentationDataModule
    from experiments.sweeping.swept import Swept
    from lightning_modules.inference.passes import Passes
    from lightning_modules.segmentation import SegmentationModule

EXAMPLES = """
runs/camvid_fpn/record-core.json
runs/camvid_fpn/record-core.json --checkpoint runs/camvid_fpn/best.ckpt
x.json --checkpoint net.ckpt --conditions 10 --data experiments/configs/data/camvid.yaml
"""

TIES = 1e-6
"""Fraction of pixels that may change class: devices, thread counts and batch sizes round logits differently."""

FEW = 4
"""Number of pixels that may always change class, for small images."""


class Deviation(NamedTuple):
    """Pixels of a condition in a second sweep, and a lower bound on how many of them changed class."""

    corruption: str
    severity: int
    pixels: int
    moved: int

    @property
    def agrees(self) -> bool:
        """Whether ties of logits can explain the deviation."""
        return self.moved <= max(FEW, TIES * self.pixels)


def choose(record: Record, number: int, seed: int) -> list[int]:
    """Choose the clean and `number` - 1 other conditions at random; their positions in order."""
    clean = record.conditions.index((CLEAN, 0))
    others = [place for place in range(len(record.conditions)) if place != clean]
    return sorted([clean, *random.Random(seed).sample(others, min(number - 1, len(others)))])


def find_deviations(record: Record, images: Images | None, places: Sequence[int], swept: "Swept") -> list[Deviation]:
    """Compare a second sweep of some conditions with the record; image by image where the record has their counts."""
    totals = record.totals
    found = []
    for position, place in enumerate(places):
        counts = swept.counts["classes"][:, position]
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
    """Sweep the conditions at `places` again in this process, and return their counts.

    Raises:
        UserError: checkpoint, suite or images are not those of the record.
    """
    from experiments.checkpoints.checkpoint import load_module
    from experiments.checkpoints.matching import Mapped
    from experiments.checkpoints.opened_checkpoint import CheckpointFile
    from experiments.command_line.device import find_device
    from experiments.sweeping.sweep import hash_data, prepare_suite, sweep_temporarily

    on = find_device(device)
    file = CheckpointFile(checkpoint)
    module = load_module(file)
    if file.sha256 != record.checkpoint.get("sha256"):
        raise UserError(
            f"{str(checkpoint)!r} is not the checkpoint that {record.name!r} was swept with: pass that file"
        )
    suite = _choose_suite(record, suite)
    seed, precision, passes = _read_settings(record)
    mapped = Mapped.from_json(record.recipe.get("mapped"))
    order = read_order(record.suite.model_extra or {}) or "resize_then_corrupt"
    found = prepare_suite(
        data, module, file, suite=suite, split=record.data.split, seed=seed, mapped=mapped, order=order
    )
    if record.data.batch_size > data.eval_batch_size:  # a batch size that the user has set is not checked
        require_room(record, module, data)
    data.eval_batch_size = record.data.batch_size
    manifest = Manifest.model_validate(found.make_manifest(data.size, data.resizes))
    if hash_manifest(manifest.model_dump()) != record.suite_hash:
        raise UserError(
            f"the suite {suite!r} is not that of the record ({find_manifest_difference(record.suite, manifest)}): pass the "
            "record's as --suite, its --data.init_args.size, and install the versions that it names"
        )
    found.conditions = tuple(found.conditions[place] for place in places)
    accelerator = "gpu" if on.type == "cuda" else on.type
    swept = sweep_temporarily(module, data, found, accelerator, precision, on.index or 0, passes=passes)
    if hash_data(list(data.open_split(data.test_split).ids), swept.digests) != record.data.hash:
        raise UserError(f"the images here are not those of {record.name!r}: pass the --data that it was swept on")
    return swept


def _read_settings(record: Record) -> tuple[int, str, "Passes"]:
    """Seed, precision and passes of a sweep, from the parts of a record that have no schema.

    Raises:
        UserError: they have another type.
    """
    from lightning_modules.inference.passes import EXACT, PASSES

    seed = (record.suite.model_extra or {}).get("seed", 0)
    precision = record.environment.get("precision", "32-true")
    if not isinstance(seed, int) or isinstance(seed, bool) or not isinstance(precision, str):
        raise UserError(f"{record.name!r} was swept with the seed {seed!r} and the precision {precision!r}: {ALTERED}")
    passes = record.environment.get("passes", EXACT)
    if passes not in PASSES:
        known = ", ".join(PASSES)
        raise UserError(f"{record.name!r} was swept by the passes {passes!r}, which are none of {known}: {ALTERED}")
    return seed, precision, passes


def require_room(record: Record, module: "SegmentationModule", data: "SegmentationDataModule") -> None:
    """Refuse a record whose batches would not fit into memory: an untrusted record may state any batch size.

    Raises:
        UserError: a batch is larger than the available memory.
    """
    import torch

    from experiments.checkpoints.memory import read_available_bytes
    from experiments.measuring.peak_memory import measure_peak_bytes

    image = data.make_evaluation_view(data.open_split(data.test_split))[0]["image"][None]
    with torch.inference_mode():
        needed = record.data.batch_size * measure_peak_bytes(lambda: module.eval().predict_logits(image), image.device)
    free = read_available_bytes()
    if free is not None and needed > free:
        raise UserError(
            f"{record.name!r} says that it was swept in batches of {record.data.batch_size} images, which take about "
            f"{needed / 2**30:.3g} GiB where {free / 2**30:.3g} are free: verify it on a larger machine"
        )


def _choose_suite(record: Record, given: str | None) -> str:
    """The suite to sweep: a record may name one of the project's, but not a file, which could name any class."""
    from experiments.sweeping.suites import list_suites

    if given is None and record.suite.name not in list_suites():
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
    found = find_deviations(opened, images, places, sweep_again(opened, places, checkpoint, data.module, suite, device))
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
