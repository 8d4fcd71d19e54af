"""Sweep a checkpoint over corruptions and write its record."""

import argparse
import hashlib
import json
import logging
import time
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from tqdm import tqdm

from datamodules.base import SegmentationDataModule
from datamodules.corruptions.suite import Suite
from experiments.checkpoints.checkpoint import load_module
from experiments.checkpoints.run_folder import add_data_argument, parse, plain, require_its_data
from experiments.files.tables import percent
from experiments.files.whole import require_writable
from experiments.measuring.environment import describe_environment
from experiments.records.record import Images, Record, manifest_hash
from experiments.records.record_file import sha256, write_record
from experiments.sweeping.journal import Journal, JournalCallback, Swept
from experiments.sweeping.swept_record import describe_recipe, make_record
from experiments.sweeping.worst import MOST_PICTURES, PICTURES, draw_worst
from experiments.tracking.session import log_record, sync_hint
from experiments.training.cli import make_parser_settings
from experiments.training.cluster import cluster_plugins
from experiments.training.processes import first_process
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

SUITES = Path(__file__).parent / "configs" / "suite"

LOADING = ("num_workers", "batch_size", "eval_batch_size", "augmentation", "unit")
"""Settings of the data that leave a test image as it is."""

EXAMPLES = """examples:
  python -m experiments benchmark --checkpoint runs/synthetic_unet/best.ckpt
  python -m experiments benchmark --checkpoint runs/camvid_fpn/best.ckpt --suite smoke --output smoke.json
  python -m experiments benchmark --checkpoint model.ckpt --data experiments/configs/data/camvid.yaml
  python -m experiments benchmark --checkpoint runs/camvid_fpn/best.ckpt --trainer.devices 2

The same command goes on with a sweep that was interrupted."""


def build_parser(checkpoint: Path) -> ArgumentParser:
    """The options of the verb; what stands in the run folder of `checkpoint` is their default."""
    parser = ArgumentParser(
        prog="python -m experiments benchmark",
        description="Sweep a checkpoint over every condition of a suite, in one pass over the data, and write its record.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **make_parser_settings(),
    )
    parser.add_argument("--checkpoint", required=True, help="file that 'fit' wrote; it knows its network")
    parser.add_argument("--suite", default="core", help=f"a YAML file or one of: {', '.join(suite_names())}")
    parser.add_argument("--output", help="record to write (default: record-SUITE.json beside the checkpoint)")
    parser.add_argument("--name", help="name on the leaderboard (default: the run folder's)")
    parser.add_argument("--split", default="test", choices=["train", "val", "test"], help="images to sweep")
    parser.add_argument("--seed", type=int, default=0, help="of the corruptions")
    parser.add_argument("--restart", action="store_true", help="discard an unfinished sweep")
    parser.add_argument(
        "--pictures", type=int, default=PICTURES, help=f"of the hardest falls, 0 to {MOST_PICTURES}, beside the record"
    )
    add_data_argument(parser, checkpoint)
    parser.add_argument("--trainer.accelerator", default="auto", help="cpu, gpu, ...")
    parser.add_argument("--trainer.devices", default="auto", type=int | str, help="number of processes")
    parser.add_argument("--trainer.num_nodes", default=1, type=int, help="machines, where a cluster starts them")
    parser.add_argument(
        "--trainer.precision", default="32-true", help="'bf16-mixed' is faster on some hardware, and inexact"
    )
    return parser


def suite_names() -> list[str]:
    """Names of the suites that come with the project."""
    return sorted(path.stem for path in SUITES.glob("*.yaml"))


def find_suite(name: str) -> Suite:
    """A suite by name or by the path of its YAML.

    Raises:
        UserError: there is none, or it does not parse.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else SUITES / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"no suite {name!r}: pass one of {', '.join(suite_names())}, or the path of a YAML file")
    return Suite.from_yaml(path)


def make_trainer(options: Any, callbacks: list[pl.Callback]) -> pl.Trainer:
    """A trainer that only tests."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    torch.backends.cudnn.allow_tf32 = False  # its rounding is coarser than the ties that may differ between devices
    try:
        return _trainer(options, callbacks)
    except (MisconfigurationException, ValueError) as error:
        raise UserError(f"--trainer: {' '.join(str(error).split())}") from error


def _trainer(options: Any, callbacks: list[pl.Callback]) -> pl.Trainer:
    return pl.Trainer(
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.num_nodes,
        precision=options.precision,
        logger=False,
        callbacks=callbacks,
        plugins=cluster_plugins(),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def identity(record_hash: str, checkpoint: Path, data: SegmentationDataModule, settings: dict, precision: str) -> dict:
    """What the counts of a batch depend on; `settings` are those of the data."""
    facts = {
        "class": settings["class_path"],
        "settings": {key: value for key, value in settings.get("init_args", {}).items() if key not in LOADING},
        "described": data.state_dict(),
        "ids": list(data.dataset(data.test_split).ids),
    }
    return {
        "suite": record_hash,
        "checkpoint": sha256(checkpoint),
        "data": hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest(),
        "split": data.test_split,
        "batch_size": data.eval_batch_size,
        "precision": precision,
    }


def sweep(module: SegmentationModule, data: SegmentationDataModule, journal: Journal, trainer: pl.Trainer) -> None:
    """Count what the journal lacks; afterwards, on every process, it is complete."""
    conditions, images = len(data.suite.conditions), len(data.dataset(data.test_split))
    finished = min(images, len(journal.done()) * data.eval_batch_size)
    if finished and first_process():
        print(f"going on with {journal.folder}: {finished} of {images} images are done", flush=True)
    module.count_conditions(conditions)
    total, initial = images * conditions, finished * conditions
    shown = tqdm(total=total, initial=initial, unit="img", desc="sweep", disable=not first_process())

    def advance(number: int) -> None:
        shown.update(min(number * trainer.world_size, total - shown.n))

    data.on_condition = advance
    with shown, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.test(module, data, verbose=False)
    trainer.strategy.barrier("swept")


def data_hash(ids: list[str], digests: list[str]) -> str:
    """Hash of the evaluated pixels: images and masks as the network met them clean."""
    lines = sorted(f"{name} {digest}" for name, digest in zip(ids, digests, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def main(argv: list[str]) -> None:
    """The verb."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--checkpoint", default="missing")
    checkpoint = Path(finder.parse_known_args(argv)[0].checkpoint)
    options, settings = parse(build_parser(checkpoint), argv)
    started = time.perf_counter()
    module = load_module(checkpoint)
    data = prepare_data(options, module, checkpoint)
    manifest = data.suite.manifest(data.size)
    precision = options.trainer.precision
    described = plain(settings.data.as_dict())
    output = find_output(options, data, checkpoint)
    stamp = identity(manifest_hash(manifest), checkpoint, data, described, precision)
    journal = Journal(output.with_suffix(".unfinished"), stamp)
    trainer = make_trainer(options.trainer, [JournalCallback(journal)])
    if first_process():
        require_writable(output)
        journal.open(options.restart)
    sweep(module, data, journal, trainer)
    if not trainer.is_global_zero:
        return
    swept, images = collect(journal, data)
    record = make_record(
        swept,
        images,
        data,
        checkpoint,
        name=options.name or checkpoint.resolve().parent.name,
        data_hash=data_hash(images.ids, swept.digests),
        recipe=describe_recipe(checkpoint, module, described),
        environment={
            **describe_environment(trainer.strategy.root_device, trainer.world_size, precision),
            "seconds_of_last_call": round(time.perf_counter() - started, 1),
        },
    )
    module.to(trainer.strategy.root_device)  # the trainer has put it back on the CPU
    with trainer.precision_plugin.test_step_context():  # the very predictions of the sweep
        record.pictures = draw_worst(module, data, images, output, options.pictures)
    write_record(record, output, images)
    journal.remove()
    report(record, output)
    log_record(record, output, checkpoint)
    if hint := sync_hint(checkpoint.parent):
        print(hint, flush=True)


def collect(journal: Journal, data: SegmentationDataModule) -> tuple[Swept, Images]:
    """All that was counted, in the order of the data set.

    Raises:
        UserError: the journal is not that of a whole sweep.
    """
    swept = journal.total().ordered()
    ids = list(data.dataset(data.test_split).ids)
    if swept.index.tolist() != list(range(len(ids))):
        raise UserError(f"{journal.folder} does not hold each image once: pass --restart to sweep anew")
    return swept, Images(ids, swept.images, data.units(data.test_split), swept.tasks)


def find_output(options: Any, data: SegmentationDataModule, checkpoint: Path) -> Path:
    """Where the record goes.

    Raises:
        UserError: the options do not fit a record.
    """
    if not 0 <= options.pictures <= MOST_PICTURES:
        raise UserError(f"--pictures {options.pictures}: give a number from 0 to {MOST_PICTURES}")
    output = Path(options.output) if options.output else checkpoint.parent / f"record-{data.suite.name}.json"
    if output.suffix != ".json":
        raise UserError(f"the record {str(output)!r} must be named *.json: its counts lie beside it as *.npz")
    return output


def prepare_data(options: Any, module: SegmentationModule, checkpoint: Path) -> SegmentationDataModule:
    """The data of the options, with the suite that they will meet.

    Raises:
        UserError: the network was trained for other classes, or there is no such suite.
    """
    data: SegmentationDataModule = options.data
    require_its_data(checkpoint, module.num_classes, module.hparams["in_channels"], data)
    data.test_split = options.split
    data.units(options.split)  # fails before the sweep rather than after
    suite = find_suite(options.suite)
    data.suite = suite.for_data(data.channels, data.meta(options.split) if suite.shifts else {})
    data.suite.seed = options.seed
    return data


def report(record: Record, path: Path) -> None:
    """Say what came out."""
    summary = record.summary
    low, high = (percent(edge) for edge in summary.intervals["mean_corrupted_miou"].bca)
    print(
        f"clean mIoU {percent(summary.clean_miou)} %, mean corrupted mIoU {percent(summary.mean_corrupted_miou)} % "
        f"[{low}, {high}], retention {percent(summary.retention)} %\nrecord: {path}",
        flush=True,
    )
