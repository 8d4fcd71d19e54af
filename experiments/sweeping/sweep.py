"""One pass over the data: every image is decoded once and evaluated under all conditions."""

import hashlib
import logging
import warnings
from collections.abc import Sequence
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
from experiments.checkpoints.matching import Mapped, match_data, require_its_numbers, require_same_names
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.processes import choose_cluster_plugins, disable_signal_handlers, is_first_process
from experiments.evaluation.order import Order
from experiments.evaluation.protocol import Protocol
from experiments.sweeping.journal import Journal
from experiments.sweeping.protocol import apply_protocol
from experiments.sweeping.suite import Suite
from experiments.sweeping.suites import find_suite
from experiments.sweeping.sweep_loop import SweepLoop
from experiments.sweeping.swept import Swept
from lightning_modules.inference.passes import EXACT, Passes
from lightning_modules.metrics.counters.base import Counter
from lightning_modules.networks.wrappers.reordered import Reordered
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


def prepare_suite(
    data: SegmentationDataModule,
    module: SegmentationModule,
    file: CheckpointFile,
    *,
    suite: str,
    split: Split,
    seed: int,
    mapped: Mapped | None = None,
    order: Order | None = None,
    protocol: Protocol | None = None,
) -> Suite:
    """The suite for a network and its data; sets the split of the data, and reorders the network where needed.

    Args:
        data: what is swept over.
        module: of the network; where its classes or channels stand in another order than the data's, it is reordered.
        file: where it comes from.
        suite: its name, or the path of its YAML.
        split: "train", "val" or "test".
        seed: of the corruptions.
        mapped: what of the data has another name than in the training.
        order: of corruption and resize; that of the suite if `None`.
        protocol: how images are predicted and scored; the usual way if `None`.

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
    data.list_grouping(split)  # fails before the sweep rather than after
    if column := data.find_undeclared_grouping(split):
        print(
            f"the column {column!r} of meta.csv groups images, but neither `unit` nor `sequence` is set: intervals will be "
            f"those of independent images, and may be too narrow; pass --data.init_args.unit={column}, or say how they "
            "follow each other by --data.init_args.sequence",
            flush=True,
        )
    found = find_suite(suite)
    found = found.adapt_to_data(data.channels, data.read_meta(split) if found.shifts else {}, data.shift_columns)
    if found.needs and len(dataset := data.open_split(split)):
        found.require_targets(dataset[0])  # before the sweep rather than in it
    found.seed = seed
    found.order = order or found.order
    found.protocol = apply_protocol(protocol or Protocol(), data, module)
    return found


def make_trainer(options: Any, suite: Suite) -> pl.Trainer:
    """A trainer that only tests under the conditions of a suite."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    torch.backends.cudnn.allow_tf32 = False  # its rounding is coarser than the ties that may differ between devices
    try:
        return disable_signal_handlers(_build_trainer(options, suite))
    except (MisconfigurationException, ValueError) as error:
        raise UserError(f"--trainer: {' '.join(str(error).split())}") from error


def _build_trainer(options: Any, suite: Suite) -> pl.Trainer:
    return pl.Trainer(
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.num_nodes,
        precision=options.precision,
        logger=False,
        plugins=choose_cluster_plugins(options.num_nodes),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        inference_mode=not suite.needs_gradients,
    )


def sweep(loop: SweepLoop, trainer: pl.Trainer) -> None:
    """Count what the journal of a loop lacks; afterwards, on every process, it is complete."""
    journal, data, suite = loop.journal, loop.data, loop.suite
    images = len(data.open_split(data.test_split))
    finished = min(images, len(journal.done) * data.eval_batch_size)
    if (finished or journal.finished) and is_first_process():
        print(f"going on with {journal.folder}: {finished} of {images} images are done", flush=True)
    total = images * len(suite.conditions)
    initial = finished * len(suite.stateless_places) + images * len(journal.finished)
    shown = tqdm(total=total, initial=initial, unit="img", desc="sweep", disable=not is_first_process())

    def advance(number: int) -> None:
        shown.update(min(number * trainer.world_size, total - shown.n))

    loop.on_condition = advance
    with shown, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.test(loop, verbose=False)
    trainer.strategy.barrier("swept")


def sweep_temporarily(
    module: SegmentationModule,
    data: SegmentationDataModule,
    suite: Suite,
    accelerator: str,
    precision: str,
    device: int = 0,
    counters: Sequence[Counter] | None = None,
    passes: Passes = EXACT,
) -> Swept:
    """Sweep in this process with a temporary journal; the counts, in the order of the data set.

    Args:
        module: what is swept.
        data: with the split.
        suite: conditions of the sweep.
        accelerator: "cpu", "gpu" or "auto".
        precision: of the forward passes, as Lightning names it.
        device: which of several GPUs.
        counters: what is counted; the usual ones if `None`.
        passes: how the network is computed.
    """
    devices = [device] if accelerator == "gpu" else 1
    options = SimpleNamespace(accelerator=accelerator, devices=devices, num_nodes=1, precision=precision)
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "sweep", {})
        journal.open(token_bytes(32))  # a key for this process alone
        sweep(SweepLoop(module, data, suite, journal, counters, passes=passes), make_trainer(options, suite))
        return journal.sum_up()


def hash_data(ids: list[str], digests: list[str]) -> str:
    """Hash of the evaluated pixels: clean images and masks as the network was given them."""
    lines = sorted(f"{name} {digest}" for name, digest in zip(ids, digests, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
