"""What a sweep has counted so far, batch by batch on disk: a killed sweep goes on where it stood."""

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl

from experiments.files.whole import whole_file
from experiments.records.scores import Counts
from experiments.sweeping.identity import find_change
from lightning_modules.tasks.scores import TASK
from user_error import UserError

SUM = "sum_"
"""How the arrays of sums over images are named."""


@dataclass(frozen=True)
class Swept:
    """What a sweep has counted of some images, in the order of their index."""

    index: np.ndarray  # (N,) int64
    digests: list[str]  # of the pixels of each image and mask
    sums: dict[str, np.ndarray]  # states of `SweepCounts`, (conditions, ...) int64
    images: Counts  # (N, conditions, ...) int64
    tasks: dict[str, np.ndarray] = field(default_factory=dict)  # of further tasks, (N, conditions, S) int64

    def ordered(self) -> "Swept":
        """The same, images in the order of the data set."""
        order = np.argsort(self.index)
        images = Counts(*(part[order] for part in self.images))
        tasks = {name: part[order] for name, part in self.tasks.items()}
        return Swept(self.index[order], [self.digests[at] for at in order], self.sums, images, tasks)


class Journal:
    """A folder with one array file per finished batch.

    Batches are the same for any number of processes, so a sweep may go on with another number of them. Each file
    appears whole or not at all.

    Args:
        folder: made where it is missing.
        identity: what the counts depend on; a folder with another identity is refused.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.folder = folder
        self.identity = identity

    def open(self, restart: bool = False) -> None:
        """Begin or go on; called by one process.

        Raises:
            UserError: the folder holds an unfinished sweep of something else.
        """
        if restart:
            self.remove()
        stamp = self.folder / "identity.json"
        if not stamp.exists():
            self.remove()  # counts of nobody knows what
            with whole_file(stamp) as file:
                json.dump(self.identity, file, indent=2)
            return
        before = json.loads(stamp.read_text())
        changed = find_change(before, self.identity)
        if changed is not None:
            raise UserError(
                f"{self.folder} holds an unfinished sweep {changed}: pass another --output to keep it, or --restart to "
                "discard it"
            )

    def done(self) -> frozenset[int]:
        """Numbers of the finished batches."""
        return frozenset(int(path.stem.removeprefix("batch-")) for path in self.folder.glob("batch-*.npz"))

    def write(self, number: int, swept: Swept) -> None:
        """Keep the counts of a batch."""
        arrays = {f"{SUM}{name}": part for name, part in swept.sums.items()}
        arrays |= {f"image_{name}": part for name, part in swept.images._asdict().items()}
        arrays |= {f"{TASK}{name}": part for name, part in swept.tasks.items()}
        with whole_file(self.folder / f"batch-{number:06d}.npz", "wb") as file:
            np.savez_compressed(file, index=swept.index, digests=np.array(swept.digests), allow_pickle=False, **arrays)

    def total(self) -> Swept:
        """The sum over all finished batches."""
        parts: list[dict[str, np.ndarray]] = []
        sums: dict[str, np.ndarray] = {}
        for path in sorted(self.folder.glob("batch-*.npz")):
            with np.load(path, allow_pickle=False) as arrays:
                found = {key: arrays[key] for key in arrays.files}
            # added at once: those of all batches together, at 150 classes, are tens of gigabytes
            for key in [key for key in found if key.startswith(SUM)]:
                name, part = key.removeprefix(SUM), found.pop(key)
                sums[name] = sums[name] + part if name in sums else part
            parts.append(found)
        tasks = [name.removeprefix(TASK) for name in parts[0] if name.startswith(TASK)]
        return Swept(
            index=np.concatenate([part["index"] for part in parts]),
            digests=[str(digest) for part in parts for digest in part["digests"]],
            sums=sums,
            images=Counts(*(np.concatenate([part[f"image_{name}"] for part in parts]) for name in Counts._fields)),
            tasks={name: np.concatenate([part[f"{TASK}{name}"] for part in parts]) for name in tasks},
        )

    def remove(self) -> None:
        """The record is written: the journal has served. It goes at once, never in parts."""
        if self.folder.exists():
            doomed = self.folder.with_name(f".{self.folder.name}.{os.getpid()}")
            self.folder.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)


class JournalCallback(pl.Callback):
    """Writes each finished test batch into the journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave out the batches that are done; every process reads them before any process writes."""
        trainer.strategy.barrier("journal opened")
        trainer.datamodule.done = self.journal.done()  # type: ignore[attr-defined]
        trainer.strategy.barrier("journal read")

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: dict[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep what the batch counted, less its filling."""
        real = [position for position, name in enumerate(batch["id"]) if name]
        if not real:
            return
        metric: Any = pl_module.sweep_counts
        index = batch["index"].cpu().numpy()[real]
        images = Counts(*(outputs[name].cpu().numpy()[:, real].swapaxes(0, 1) for name in Counts._fields))
        swept = Swept(
            index=index,
            digests=[batch["digest"][position] for position in real],
            sums={name: getattr(metric, name).cpu().numpy() for name in metric.sums},
            images=images,
            tasks={
                name.removeprefix(TASK): part.cpu().numpy()[:, real].swapaxes(0, 1)
                for name, part in outputs.items()
                if name.startswith(TASK)
            },
        )
        self.journal.write(int(index[0]) // len(batch["id"]), swept)
        metric.reset()
