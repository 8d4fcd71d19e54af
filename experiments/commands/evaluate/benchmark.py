"""Sweep a checkpoint over corruptions and write its record."""

import copy
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import describe_data, load_module
from experiments.checkpoints.matching import Mapped, describe_framing_change
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.processes import is_first_process
from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.images import Images
from experiments.evaluation.order import Order
from experiments.evaluation.record import Record
from experiments.files.atomic_write import require_writable
from experiments.files.lock import hold_lock
from experiments.files.secret import find_secret
from experiments.files.tables import format_percent
from experiments.measuring.environment import describe_environment
from experiments.pictures.worst_images import MOST_PICTURES, PICTURES, draw_worst
from experiments.record_files.record_file import write_record
from experiments.sweeping.counters import find_counters
from experiments.sweeping.identity import describe_identity
from experiments.sweeping.journal import Journal
from experiments.sweeping.passes_effect import describe_passes, is_inexact, measure_effect
from experiments.sweeping.suite import Suite
from experiments.sweeping.suites import list_suites
from experiments.sweeping.sweep import hash_data, make_trainer, prepare_suite, sweep
from experiments.sweeping.sweep_loop import SweepLoop
from experiments.sweeping.swept import Swept
from experiments.sweeping.swept_record import describe_recipe, make_record
from experiments.tracking.session import log_record, make_sync_hint
from lightning_modules.inference.passes import EXACT, PASSES, Passes
from lightning_modules.labels import require_labelled
from lightning_modules.segmentation import SegmentationModule
from safe_files.yaml_file import load_yaml
from user_error import UserError, shorten

EXAMPLES = """
--checkpoint runs/synthetic_unet/best.ckpt
--checkpoint runs/camvid_fpn/best.ckpt --suite smoke --output smoke.json
--checkpoint model.ckpt --data experiments/configs/data/camvid.yaml
--checkpoint runs/camvid_fpn/best.ckpt --trainer.devices 2

The same command goes on with a sweep that was interrupted."""


def read_names(text: str) -> dict[str, str]:
    """Parse a mapping of names, such as ``{polyp: lesion}``.

    Raises:
        UserError: it is not a mapping of names.
    """
    try:
        found = load_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(
            f"{text!r} is no mapping of names ({shorten(error)}): write it as '{{polyp: lesion}}'"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(one, str) for pair in found.items() for one in pair):
        raise UserError(f"{text!r} is no mapping of names: write it as '{{polyp: lesion}}'")
    return found


def read_truth(text: str) -> bool:
    """Parse ``true`` or ``false``.

    Raises:
        UserError: it is neither.
    """
    if text.lower() not in ("true", "false"):
        raise UserError(f"{text!r} is neither true nor false: write one of them")
    return text.lower() == "true"


def read_devices(text: str) -> int | str:
    """Parse a number of processes, or ``auto``."""
    return int(text) if text.isdigit() else text


@dataclass(frozen=True, kw_only=True)
class Options:
    """Sweep a checkpoint over every condition of a suite, in one pass over the data, and write its record.

    Args:
        checkpoint: file that 'fit' wrote; it knows its network.
        suite: a YAML file or one of.
        output: record to write (default: record-SUITE.json beside the checkpoint).
        name: name on the leaderboard (default: the run folder's).
        counters: counted beside the usual ones: YAML files of counters.
        split: images to sweep.
        seed: of the corruptions.
        order: whether images are corrupted at the size of their files or at that of the data (default: the suite's).
        restart: discard an unfinished sweep.
        pictures: of the largest drops, 0 to 20, beside the record.
        data: that are swept.
        map_classes: names of the data by the checkpoint's: '{polyp: lesion}'.
        map_channels: likewise.
        map_window: whether another window than the training's is meant.
        accelerator: cpu, gpu, ...
        devices: number of processes.
        num_nodes: machines, where a cluster starts them.
        precision: 'bf16-mixed' is faster on some hardware, and inexact.
        passes: 'folded' and 'compiled' are faster, and round logits otherwise; what that changes is measured and stated.
    """

    checkpoint: Path
    suite: Annotated[str, Option(listed=list_suites)] = "core"
    output: Path | None = None
    name: str | None = None
    counters: list[str] | None = None
    split: Literal["train", "val", "test"] = "test"
    seed: int = 0
    order: Order | None = None
    restart: bool = False
    pictures: int = PICTURES
    data: ChosenData
    map_classes: Annotated[dict[str, str] | None, Option(name="--map.classes", read=read_names)] = None
    map_channels: Annotated[dict[str, str] | None, Option(name="--map.channels", read=read_names)] = None
    map_window: Annotated[bool, Option(name="--map.window", read=read_truth)] = False
    accelerator: Annotated[str, Option(name="--trainer.accelerator")] = "auto"
    devices: Annotated[int | str, Option(name="--trainer.devices", read=read_devices)] = "auto"
    num_nodes: Annotated[int, Option(name="--trainer.num_nodes")] = 1
    precision: Annotated[str, Option(name="--trainer.precision")] = "32-true"
    passes: Annotated[Passes, Option(choices=PASSES)] = EXACT


def main(argv: list[str]) -> None:
    """The verb."""
    options: Options = call_verb("benchmark", Options, EXAMPLES, argv)
    checkpoint, (data, described) = options.checkpoint, options.data
    file = CheckpointFile(checkpoint)
    module = load_module(file)
    recipe = describe_recipe(
        checkpoint, module, described
    )  # before the sweep, during which another training may write into the folder
    mapped = Mapped(options.map_classes or {}, options.map_channels or {}, options.map_window)
    recipe |= {"mapped": mapped.as_json()} if mapped.as_json() else {}
    suite = prepare_suite(
        data,
        module,
        file,
        suite=options.suite,
        split=options.split,
        seed=options.seed,
        mapped=mapped,
        order=options.order,
    )
    if is_first_process() and (note := describe_framing_change(checkpoint, describe_data(file), data)):
        print(note, flush=True)
    output = find_output(options, suite, checkpoint)
    with lock_record(output):
        record = sweep_into(output, module, file, data, suite, described, recipe, options)
        if record is not None:
            report(record, output)
            log_record(record, output, checkpoint)
            if hint := make_sync_hint(checkpoint.parent):
                print(hint, flush=True)


def lock_record(output: Path) -> AbstractContextManager[Any]:
    """Lock a record against other sweeps, from the first read of its journal to the last picture beside it.

    Raises:
        UserError: another sweep holds the lock.
    """
    if not is_first_process():
        return nullcontext()
    require_writable(output)
    return hold_lock(output.with_name(f".{output.stem}.lock"), f"a sweep for {output} is running", keep_file=False)


def sweep_into(
    output: Path,
    module: SegmentationModule,
    file: CheckpointFile,
    data: SegmentationDataModule,
    suite: Suite,
    described: dict[str, Any],
    recipe: dict[str, Any],
    options: Options,
) -> Record | None:
    """Sweep and write the record with its counts and pictures; `None` on processes that do not write.

    Args:
        output: the record to write.
        module: the module to sweep.
        file: its checkpoint.
        data: with the split of the sweep.
        suite: its conditions.
        described: class and settings of the data.
        recipe: of the training.
        options: of the verb.
    """
    counters = find_counters(options.counters or ())
    started, precision, passes = time.perf_counter(), options.precision, options.passes
    exact = (
        copy.deepcopy(module.network) if is_inexact(passes, precision) else None
    )  # half precision rounds its weights
    content = data.compute_fingerprint(data.test_split) if is_first_process() else None
    identity = (
        {}
        if content is None
        else describe_identity(data, suite, content, described, file.sha256, precision, counters, passes)
    )
    identity |= {"mapping": recipe["mapped"]} if "mapped" in recipe else {}
    journal = Journal(output.with_suffix(".unfinished"), identity)
    trainer = make_trainer(options, suite)
    if is_first_process():
        journal.open(read_secret(), options.restart)
    sweep(SweepLoop(module, data, suite, journal, counters, file.sha256, passes=passes), trainer)
    if not trainer.is_global_zero:
        return None
    swept, images = collect(journal, data)
    require_labelled(bool(swept.sums["confusion"][0].any()), f"images of the split {data.test_split!r}")
    module.to(trainer.strategy.root_device)  # the trainer has moved it back to the CPU
    effect = None if exact is None else measure_effect(exact, module, data, suite, images)
    if effect:
        print(f"{passes} passes at the precision {precision}: {effect}", flush=True)
    record = make_record(
        swept,
        images,
        data,
        suite,
        file,
        name=options.name or file.path.resolve().parent.name,
        data_hash=hash_data(images.ids, swept.digests),
        content=None if content is None else content.sha256,
        recipe=recipe,
        environment={
            **describe_environment(trainer.strategy.root_device, trainer.world_size, precision),
            **describe_passes(passes, effect),
            "seconds_of_last_call": round(time.perf_counter() - started, 1),
        },
    )
    with trainer.precision_plugin.test_step_context():  # the same predictions as in the sweep
        record.pictures = draw_worst(module, data, suite, images, output, options.pictures)
    write_record(record, output, images)
    journal.remove()
    return record


def read_secret() -> bytes:
    """The key of this user; where it cannot be stored, a key of this process alone, with a note."""
    secret, why = find_secret()
    if why is not None:
        print(
            f"once interrupted, this sweep cannot go on, since no key can be kept that knows it again ({why}): set "
            "XDG_STATE_HOME to a folder of yours",
            flush=True,
        )
    return secret


def collect(journal: Journal, data: SegmentationDataModule) -> tuple[Swept, Images]:
    """Collect all counts, in the order of the data set.

    Raises:
        UserError: the journal is not that of a complete sweep.
    """
    swept = journal.sum_up()
    ids = list(data.open_split(data.test_split).ids)
    if swept.index.tolist() != list(range(len(ids))):
        raise UserError(f"{journal.folder} does not hold each image once: pass --restart to sweep anew")
    return swept, Images(ids, swept.counts, *data.list_grouping(data.test_split))


def find_output(options: Options, suite: Suite, checkpoint: Path) -> Path:
    """The path of the record.

    Raises:
        UserError: an option is out of range, or the path is not that of a record.
    """
    if not 0 <= options.pictures <= MOST_PICTURES:
        raise UserError(f"--pictures {options.pictures}: give a number from 0 to {MOST_PICTURES}")
    output = options.output or checkpoint.parent / f"record-{suite.name}.json"
    if output.suffix != ".json":
        raise UserError(f"the record {str(output)!r} must be named *.json: its counts lie beside it as *.npz")
    return output


def report(record: Record, path: Path) -> None:
    """Print the results."""
    summary = record.summary
    if record.left_out:
        print(f"left out of every mean, since they change no image here: {', '.join(record.left_out)}", flush=True)
    low, high = (format_percent(edge) for edge in summary.intervals["mean_corrupted_miou"].edges)
    print(
        f"clean mIoU {format_percent(summary.clean_miou)} %, mean corrupted mIoU {format_percent(summary.mean_corrupted_miou)} % "
        f"[{low}, {high}], retention {format_percent(summary.retention)} %",
        flush=True,
    )
    for kind, mean in summary.means.items():
        low, high = (format_percent(edge) for edge in summary.intervals[f"means.{kind}"].edges)
        print(f"mean mIoU under conditions of the kind {kind}: {format_percent(mean)} % [{low}, {high}]", flush=True)
    print(f"record: {path}", flush=True)
