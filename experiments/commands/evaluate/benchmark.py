"""Sweep a checkpoint over corruptions and write its record."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import describe_data, load_module
from experiments.checkpoints.matching import Mapped, describe_framing_change
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.option_values import read_devices, read_names, read_truth
from experiments.command_line.processes import is_first_process
from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.images import Images
from experiments.evaluation.kinds import REAL_SHIFTS
from experiments.evaluation.order import Order
from experiments.evaluation.recipe import find_data_name
from experiments.evaluation.record import Record
from experiments.files.tables import format_edges, format_percent
from experiments.measuring.environment import describe_environment
from experiments.pictures.worst_images import MOST_PICTURES, PICTURES, draw_worst
from experiments.record_files.record_file import write_record
from experiments.reporting.shift_table import format_shifts
from experiments.sweeping.counters import find_counters
from experiments.sweeping.identity import describe_identity
from experiments.sweeping.journal import Journal
from experiments.sweeping.locking import lock_record, read_secret
from experiments.sweeping.named_protocols import find_protocol, list_protocols, name_protocol
from experiments.sweeping.passes_effect import describe_passes, is_inexact, measure_effect
from experiments.sweeping.shift_data import is_swept, list_data, open_shift_data
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
from user_error import UserError

EXAMPLES = """
--checkpoint runs/synthetic_unet/best.ckpt
--checkpoint runs/camvid_fpn/best.ckpt --suite smoke --output smoke.json
--checkpoint model.ckpt --data experiments/configs/data/camvid.yaml
--checkpoint runs/cityscapes/best.ckpt --suite imagenet_c --shift acdc --shift dark_zurich
--checkpoint runs/cityscapes/best.ckpt --suite imagenet_c --protocol mmseg_cityscapes_slide
--checkpoint runs/camvid_fpn/best.ckpt --trainer.devices 2

The same command goes on with a sweep that was interrupted."""


Shifts = Annotated[list[str] | None, Option(metavar="DATA", repeated=True, listed=list_data)]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Sweep a checkpoint over every condition of a suite, in one pass over the data, and write its record.

    Args:
        checkpoint: file that 'fit' wrote; it knows its network.
        suite: a YAML file or one of.
        output: record to write (default: record-SUITE.json beside the checkpoint, or record-SUITE-PROTOCOL.json).
        name: name on the leaderboard (default: the run folder's).
        counters: counted beside the usual ones: YAML files of counters.
        split: images to sweep.
        seed: of the corruptions.
        order: whether images are corrupted at the size of their files or at that of the data (default: the suite's).
        protocol: how images are predicted and scored, as papers do: a YAML file, '{scored_at: file}' or one of.
        restart: discard an unfinished sweep.
        pictures: of the largest drops, 0 to 20, beside the record.
        data: that are swept.
        shift: other data with real shifts, which get a record of their own: a YAML file or one of.
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
    protocol: Annotated[str | None, Option(listed=list_protocols)] = None
    restart: bool = False
    pictures: int = PICTURES
    data: ChosenData
    shift: Shifts = None
    map_classes: Annotated[dict[str, str] | None, Option(name="--map.classes", read=read_names)] = None
    map_channels: Annotated[dict[str, str] | None, Option(name="--map.channels", read=read_names)] = None
    map_window: Annotated[bool, Option(name="--map.window", read=read_truth)] = False
    accelerator: Annotated[str, Option(name="--trainer.accelerator")] = "auto"
    devices: Annotated[int | str, Option(name="--trainer.devices", read=read_devices)] = "auto"
    num_nodes: Annotated[int, Option(name="--trainer.num_nodes")] = 1
    precision: Annotated[str, Option(name="--trainer.precision")] = "32-true"
    passes: Annotated[Passes, Option(choices=PASSES)] = EXACT


@dataclass(frozen=True, kw_only=True)
class ShiftOptions(Options):
    """Those of the sweep over one of the data of ``--shift``.

    Args:
        shift_name: of these data; it ends the name of their record.
    """

    shift_name: str


def main(argv: list[str]) -> None:
    """The verb."""
    options: Options = call_verb("benchmark", Options, EXAMPLES, argv)
    outputs = [sweep_checkpoint(one) for one in (options, *make_shift_options(options))]
    if options.shift and is_first_process():
        print_shifts(outputs)


def print_shifts(outputs: Sequence[Path]) -> None:
    """Print the table of the records; what is amiss with it, such as a suite without corruptions, is no failed sweep."""
    try:
        print(format_shifts(outputs), flush=True)
    except UserError as error:
        print(f"no table of these records: {error}", flush=True)


def make_shift_options(options: Options) -> list[ShiftOptions]:
    """The options of the sweep over each of the data of ``--shift``: their real shifts, on their test images.

    Raises:
        UserError: see `open_shift_data`.
    """
    mapped = Mapped(options.map_classes or {}, options.map_channels or {}, options.map_window)
    chosen = open_shift_data(options.shift or (), options.checkpoint, mapped)
    given = {field.name: getattr(options, field.name) for field in fields(options)}
    given |= {"suite": REAL_SHIFTS, "split": "test"}
    return [ShiftOptions(**{**given, "data": data}, shift_name=name) for name, data in chosen.items()]


def sweep_checkpoint(options: Options) -> Path:
    """Sweep over one data set and write its record, the path of which is returned.

    Raises:
        UserError: an option, the data or the checkpoint are not fit for it.
    """
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
        protocol=None if options.protocol is None else find_protocol(options.protocol),
    )
    if is_first_process() and (note := describe_framing_change(checkpoint, describe_data(file), data)):
        print(note, flush=True)
    output = find_output(options, suite, checkpoint)
    if options.shift and not options.restart:  # one of several sweeps, of which the first may be complete
        counters, stated = name_counters(options, suite), recipe.get("mapped", {})
        if is_swept(output, data, suite, file.sha256, options.precision, counters, stated, options.passes):
            if is_first_process():
                print(f"swept already: {output}", flush=True)
            return output
    with lock_record(output):
        record = sweep_into(output, module, file, data, suite, described, recipe, options)
        if record is not None:
            report(record, output)
            log_record(record, output, checkpoint)
            if hint := make_sync_hint(checkpoint.parent):
                print(hint, flush=True)
    return output


def name_counters(options: Options, suite: Suite) -> list[str]:
    """The further counters: those that are asked for, those of the suite, and that of outliers where masks tell them."""
    outliers = ["outliers"] if options.data.module.marks_outliers else []
    return [*(options.counters or ()), *suite.counters, *outliers]


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
    counters = find_counters(name_counters(options, suite))
    started, precision, passes = time.perf_counter(), options.precision, options.passes
    # a copy, since half precision rounds the weights of the module
    exact = copy.deepcopy(module.network) if is_inexact(passes, precision) else None
    content = data.compute_fingerprint(data.test_split) if is_first_process() else None
    identity: dict[str, Any] = {}
    if content is not None:
        identity |= describe_identity(data, suite, content, described, file.sha256, precision, counters, passes)
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
        {"file": file.path.name, "sha256": file.sha256},
        name=options.name or file.path.resolve().parent.name,
        data_name=find_data_name(recipe["data"]),
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
    protocol = options.protocol
    named = "" if protocol is None else f"-{name_protocol(protocol)}"
    output = options.output or checkpoint.parent / f"record-{suite.name}{named}.json"
    if output.suffix != ".json":
        raise UserError(f"the record {str(output)!r} must be named *.json: its counts lie beside it as *.npz")
    if isinstance(options, ShiftOptions):
        return output.with_name(f"{output.stem}-{options.shift_name}.json")
    return output


def report(record: Record, path: Path) -> None:
    """Print the results."""
    summary = record.summary
    if record.left_out:
        print(f"left out of every mean, since they change no image here: {', '.join(record.left_out)}", flush=True)
    edges = format_edges(summary.intervals["mean_corrupted_miou"].edges)
    corrupted = f"{format_percent(summary.mean_corrupted_miou)} % {edges}".rstrip()
    print(
        f"clean mIoU {format_percent(summary.clean_miou)} %, mean corrupted mIoU {corrupted}, "
        f"retention {format_percent(summary.retention)} %",
        flush=True,
    )
    for kind, mean in summary.means.items():
        edges = format_edges(summary.intervals[f"means.{kind}"].edges)
        print(f"mean mIoU under conditions of the kind {kind}: {format_percent(mean)} % {edges}".rstrip(), flush=True)
    print(f"record: {path}", flush=True)
