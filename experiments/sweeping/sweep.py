"""One pass over the data: every image is decoded once, and meets all conditions."""

import hashlib
import logging
import warnings
from pathlib import Path
from secrets import token_bytes
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from tqdm import tqdm

from datamodules.base import SegmentationDataModule, Split
from experiments.checkpoints.checkpoint import describe_data
from experiments.checkpoints.data_parser import require_its_numbers
from experiments.checkpoints.matching import Mapped, match_data, require_same_names
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.processes import cluster_plugins, first_process, leave_signals
from experiments.sweeping.journal import Journal, JournalCallback
from experiments.sweeping.suites import find_suite
from experiments.sweeping.swept import Swept
from lightning_modules.networks.reordered import Reordered
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


def prepare(
    data: SegmentationDataModule,
    module: SegmentationModule,
    file: CheckpointFile,
    *,
    suite: str,
    split: Split,
    seed: int,
    mapped: Mapped | None = None,
) -> None:
    """Let the data meet a suite.

    Args:
        data: what is swept over.
        module: of the network; where its classes or channels stand in another order than the data's, it is reordered.
        file: where it comes from.
        suite: its name, or the path of its YAML.
        split: "train", "val" or "test".
        seed: of the corruptions.
        mapped: what of the data has another name than in the training.

    Raises:
        UserError: the network was trained for other classes, channels or levels, or there is no such suite.
    """
    require_its_numbers(file.path, module.num_classes, module.hparams["in_channels"], data)
    match = match_data(file.path, describe_data(file), data, mapped)
    if not match.in_order:
        if module.tasks:
            require_same_names(file.path, describe_data(file), data)
        module.network = Reordered(module.network, match.classes, match.channels)
    data.test_split = split
    data.units(split)  # fails before the sweep rather than after
    found = find_suite(suite)
    data.suite = found.for_data(data.channels, data.meta(split) if found.shifts else {})
    data.suite.seed = seed


def make_trainer(options: Any, callbacks: list[pl.Callback]) -> pl.Trainer:
    """A trainer that only tests."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    torch.backends.cudnn.allow_tf32 = False  # its rounding is coarser than the ties that may differ between devices
    try:
        return leave_signals(_trainer(options, callbacks))
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
        plugins=cluster_plugins(options.num_nodes),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def sweep(module: SegmentationModule, data: SegmentationDataModule, journal: Journal, trainer: pl.Trainer) -> None:
    """Count what the journal lacks; afterwards, on every process, it is complete."""
    conditions, images = len(data.suite.conditions), len(data.open_split(data.test_split))
    finished = min(images, len(journal.done) * data.eval_batch_size)
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


def sweep_once(
    module: SegmentationModule, data: SegmentationDataModule, accelerator: str, precision: str, device: int = 0
) -> Swept:
    """The counts of a sweep in this process that leaves nothing behind, in the order of the data set.

    Args:
        module: what is swept.
        data: with the suite that it meets.
        accelerator: "cpu", "gpu" or "auto".
        precision: of the forward passes, as Lightning names it.
        device: which of several GPUs.
    """
    devices = [device] if accelerator == "gpu" else 1
    options = SimpleNamespace(accelerator=accelerator, devices=devices, num_nodes=1, precision=precision)
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "sweep", {})
        journal.open(token_bytes(32))  # it dies with this process
        sweep(module, data, journal, make_trainer(options, [JournalCallback(journal)]))
        return journal.total()


def data_hash(ids: list[str], digests: list[str]) -> str:
    """Hash of the evaluated pixels: images and masks as the network met them clean."""
    lines = sorted(f"{name} {digest}" for name, digest in zip(ids, digests, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
