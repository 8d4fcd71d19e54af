"""Recompute a record, and sweep a sample of its conditions again."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np

from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.comparable import find_manifest_difference
from experiments.evaluation.images import Images
from experiments.evaluation.order import read_order
from experiments.evaluation.protocol import restate_protocol
from experiments.evaluation.recomputed import ALTERED
from experiments.evaluation.record import Manifest, Record, hash_manifest
from experiments.evaluation.robustness import CLEAN
from experiments.record_files.record_checks import WRONG, Check, list_checks
from experiments.record_files.record_file import parse_record, recompute
from user_error import UserError

if TYPE_CHECKING:
    from datamodules.base import SegmentationDataModule
    from experiments.sweeping.swept import Swept
    from lightning_modules.inference.passes import Passes
    from lightning_modules.segmentation import SegmentationModule

EXAMPLES = """
runs/camvid_fpn/record-core.json
runs/camvid_fpn/record-core.json --checkpoint runs/camvid_fpn/best.ckpt
stranger.json --data experiments/configs/data/camvid.yaml
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
    from experiments.sweeping.named_protocols import parse_protocol
    from experiments.sweeping.sweep import hash_data, prepare_suite, sweep_temporarily

    on = find_device(device)
    if not isinstance(record.checkpoint.get("sha256"), str):
        raise UserError(
            f"{record.name!r} names no checkpoint, so that none can be swept again in its place: leave --checkpoint out"
        )
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
    protocol = parse_protocol(restate_protocol(record.suite.model_extra or {}), repr(record.name))
    found = prepare_suite(
        data,
        module,
        file,
        suite=suite,
        split=record.data.split,
        seed=seed,
        mapped=mapped,
        order=order,
        protocol=protocol,
    )
    if record.data.batch_size > data.eval_batch_size:  # a batch size that the user has set is not checked
        require_room(record, module, data)
    data.eval_batch_size = record.data.batch_size
    manifest = Manifest.model_validate(found.make_manifest(data.size, data.resizes))
    if hash_manifest(manifest.model_dump()) != record.suite_hash:
        raise UserError(
            f"the suite {suite!r} is not that of the record ({find_manifest_difference(record.suite, manifest)}): pass the "
            f"record's as --suite, its data ({record.data.name}) as --data, its --data.init_args.size, and install the versions "
            "that it names"
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


def check_images(record: Record, data: "SegmentationDataModule") -> Check:
    """Whether images are those of a record, by the pixels that a network is given of them.

    Raises:
        UserError: they are others.
    """
    from experiments.sweeping.sweep import hash_data

    data.test_split = record.data.split
    batches = [(batch["id"], batch["digest"]) for batch in data.make_evaluation_dataloader(data.test_split, (0, 1))]
    pairs = [(name, digest) for ids, digests in batches for name, digest in zip(ids, digests, strict=True) if name]
    if hash_data([name for name, _ in pairs], [digest for _, digest in pairs]) != record.data.hash:
        raise UserError(
            f"the images here ({len(pairs)}) are not those of {record.name!r} ({record.data.images} of {record.data.name!r}), "
            "or of another size or with other masks: pass the --data that it was swept on"
        )
    return Check("images", "holds", f"the {len(pairs)} images here have the pixels and masks that it was swept on")


def check_network(
    record: Record,
    images: Images | None,
    checkpoint: Path,
    data: "SegmentationDataModule",
    *,
    conditions: int,
    seed: int,
    suite: str | None,
    device: str,
) -> list[Check]:
    """Whether a checkpoint gives the counts of a record; arguments as of `verify_record`."""
    places = choose(record, conditions, seed)
    again = sweep_again(record, places, checkpoint, data, suite, device)
    found = find_deviations(record, images, places, again)
    for one in found:
        print(f"  {one.corruption} {one.severity}: {one.moved} of {one.pixels} pixels differ in a second sweep")
    of = f"{len(places)} of its {len(record.cells)} conditions, chosen by the seed {seed}"
    checks = [Check("images", "holds", f"the images here have the hash {record.data.hash[:16]} that it states")]
    wrong = [one for one in found if not one.agrees]
    if wrong:
        why = (
            f"the cell {wrong[0].corruption}, severity {wrong[0].severity}, does not come out again: {wrong[0].moved} of "
            f"{wrong[0].pixels} pixels differ, more than ties of logits explain"
        )
        return [*checks, Check("predictions", "wrong", why)]
    checks.append(Check("predictions", "holds", f"the checkpoint gives the counts of {of}"))
    if len(places) < len(record.cells):
        others = f"the other {len(record.cells) - len(places)} were not swept again: give a larger --conditions"
        checks.append(Check("further conditions", "not checked", others))
    return checks


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
    """Recompute every number of a record from its counts and from those of its images, and say what was not checked.

    With --checkpoint, also sweep some of its conditions again and compare the counts. With --data alone, say whether these
    are its images.

    The exit status is 0 where nothing is certainly wrong, 3 where something is, 2 where the file is no record or the command
    cannot be used.

    Args:
        record: JSON file that 'benchmark' wrote, by whomever.
        checkpoint: the record's: sweeps a sample of its conditions again.
        conditions: how many, clean among them.
        seed: chooses the conditions.
        suite: YAML of the suite, where it is not one of the project's.
        device: cpu, cuda, ... (default: a GPU where there is one).
        data: of the checkpoint.

    Raises:
        UserError: the file is no record, or checkpoint, data or suite are not those of the record.
        SystemExit: the record does not agree with itself, or with a second sweep.
    """
    if conditions < 1:
        raise UserError(f"{conditions} conditions cannot be swept: give --conditions at least 1")
    opened = parse_record(record)
    print(f"{record}: {opened.name}")
    try:
        images = recompute(opened, record)
    except UserError as error:
        report([Check("record", "wrong", str(error))])
        return
    checks = list_checks(opened, images)
    if checkpoint is not None and data is not None:
        options: dict[str, Any] = {"conditions": conditions, "seed": seed, "suite": suite, "device": device}
        network = check_network(opened, images, checkpoint, data.module, **options)
        checks = [*(one for one in checks if one.what != "predictions"), *network]
    elif data is not None:
        checks.append(check_images(opened, data.module))
    else:
        checks.append(Check("images", "not checked", "they are compared where --data names images of yours"))
    report(checks)


def report(checks: Sequence[Check]) -> None:
    """Print what was found.

    Raises:
        SystemExit: something is wrong.
    """
    for one in checks:
        print(f"  {one.state:<11}  {one.what}: {one.why}")
    wrong, left = ([one.what for one in checks if one.state == state] for state in ("wrong", "not checked"))
    if wrong:
        print(f"wrong: {', '.join(wrong)}", flush=True)
        raise SystemExit(WRONG)
    print("nothing is wrong" + (f"; not checked: {', '.join(left)}" if left else ", and all was checked"))


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("verify", verify_record, EXAMPLES, argv)
