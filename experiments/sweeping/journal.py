"""What a sweep has counted so far, batch by batch on disk: a killed sweep goes on where it stood.

Every file bears the seal of this user's key, so that nobody else's counts pass for those of a sweep.
"""

import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl

from experiments.files.sealed import derive, holds, read_sealed, write_sealed
from experiments.sweeping.identity import find_change
from experiments.sweeping.swept import CHANGED, IMAGE, SUM, Swept, assemble
from user_error import UserError

BATCH = re.compile(r"batch-(\d{6,})\.npz")


class Journal:
    """A folder with one array file per finished batch.

    Batches are the same for any number of processes, so a sweep may go on with another number of them. Each file
    appears whole or not at all, and is sealed for this identity and this batch: what was altered, exchanged or put there
    by others is not read.

    Args:
        folder: made where it is missing.
        identity: what the counts depend on, in plain values; a folder with another identity is refused.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.folder = folder
        self.identity = identity
        self.key = b""  # of this sweep; known once it is open
        self.done: frozenset[int] = frozenset()  # numbers of the batches that were there when it was opened

    def open(self, secret: bytes, restart: bool = False) -> None:
        """Begin or go on; called by one process, which tells the others `key` and `done`.

        Args:
            secret: of this user, see `experiments.files.secret`.
            restart: discard what is there, whatever it is.

        Raises:
            UserError: there is something else than an unfinished sweep of this identity that this user began.
        """
        self._clear_neighbours()
        if restart:
            self.remove()
        if os.path.lexists(self.folder) and (self.folder.is_symlink() or not self.folder.is_dir()):
            raise UserError(
                f"{self.folder} is not the folder of an unfinished sweep: pass another --output, or --restart to remove it"
            )
        stamp, key = self.folder / "identity.json", derive(secret, b"identities of sweeps")
        if os.path.lexists(stamp):
            begun = self._require_same(read_sealed(stamp, key))
        else:
            begun = json.dumps(self.identity, indent=2).encode()
            write_sealed(stamp, begun, key)
        self.key = derive(secret, b"batches of " + begun)
        self.done = self._sound()

    def _require_same(self, content: bytes | None) -> bytes:
        """The identity as it was written when the sweep began: of the same content, but perhaps of other times."""
        if content is None:
            raise UserError(
                f"{self.folder} holds an unfinished sweep that is damaged, or was not begun by this user, on this machine and "
                "in this version: pass another --output to keep it, or --restart to discard it"
            )
        changed = find_change(json.loads(content), self.identity)
        if changed is not None:
            raise UserError(
                f"{self.folder} holds an unfinished sweep {changed}: pass another --output to keep it, or --restart to "
                "discard it"
            )
        return content

    def _sound(self) -> frozenset[int]:
        """Numbers of the finished batches; what is damaged goes, and is swept again."""
        found, damaged = set(), 0
        for path in list(self.folder.iterdir()):
            if path.name.startswith((".batch-", ".identity.json.")):  # a process was killed as it wrote
                discard(path)
            elif path.name.startswith("batch-"):
                number = _number(path)
                if number is not None and holds(path, self.key):
                    found.add(number)
                else:
                    discard(path)
                    damaged += 1
        if damaged:
            what = "1 damaged batch is" if damaged == 1 else f"{damaged} damaged batches are"
            print(f"{self.folder}: {what} swept again", flush=True)
        return frozenset(found)

    def write(self, number: int, swept: Swept) -> None:
        """Keep the counts of a batch."""
        arrays = {f"{SUM}{name}": part for name, part in swept.sums.items()}
        arrays |= {f"{IMAGE}{name}": part for name, part in swept.counts.items()}
        arrays[CHANGED] = swept.changed
        content = io.BytesIO()
        np.savez_compressed(content, index=swept.index, digests=np.array(swept.digests), allow_pickle=False, **arrays)
        write_sealed(self._path(number), content.getvalue(), self.key)

    def total(self) -> Swept:
        """The sum over all finished batches, images in the order of the data set.

        Raises:
            UserError: a batch is damaged.
            OSError: the disk has no room for all counts at once, which are put together there.
        """
        return assemble(self._batches, self.folder)

    def _batches(self) -> Iterator[Any]:
        """The arrays of the finished batches, one after the other."""
        for number in sorted(number for path in self.folder.iterdir() if (number := _number(path)) is not None):
            content = read_sealed(self._path(number), self.key)
            if content is None:
                raise UserError(f"{self._path(number)} was damaged: call again, and its batch is swept again")
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                yield arrays

    def _path(self, number: int) -> Path:
        return self.folder / f"batch-{number:06d}.npz"

    def remove(self) -> None:
        """The record is written: the journal has served. It goes at once, never in parts; a link goes, not its target."""
        if os.path.lexists(self.folder):
            doomed = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.parent))
            self.folder.rename(doomed / "journal")
            discard(doomed)

    def _clear_neighbours(self) -> None:
        """Remove what calls left that were killed as they removed the journal."""
        if self.folder.parent.is_dir():
            for path in list(self.folder.parent.iterdir()):
                if path.name.startswith(f".{self.folder.name}.") and path.is_dir() and not path.is_symlink():
                    discard(path)


def discard(path: Path) -> None:
    """Remove a file, a link (not what it leads to) or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _number(path: Path) -> int | None:
    """The number of a batch by the name of its file."""
    named = BATCH.fullmatch(path.name)
    return int(named[1]) if named and f"{int(named[1]):06d}" == named[1] else None


class JournalCallback(pl.Callback):
    """Writes each finished test batch into the journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave out the batches that are done, and seal as the first process does: machines need not share a home."""
        known = trainer.strategy.broadcast((self.journal.key, self.journal.done))
        self.journal.key, self.journal.done = known
        trainer.datamodule.done = self.journal.done  # type: ignore[attr-defined]

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
        changed = batch["conditions"].changed
        index = batch["index"].cpu().numpy()[real]
        swept = Swept(
            index=index,
            digests=[batch["digest"][position] for position in real],
            sums={name: getattr(metric, name).cpu().numpy() for name in metric.sums},
            changed=np.array([int(changed[at][real].sum()) for at in range(len(changed))]),
            counts={name: part.cpu().numpy()[:, real].swapaxes(0, 1) for name, part in outputs.items()},
        )
        self.journal.write(int(index[0]) // len(batch["id"]), swept)
        metric.reset()
