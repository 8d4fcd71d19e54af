"""The journal of a sweep: the counts of each batch on disk, from which an interrupted sweep is resumed.

Every file is authenticated with the key of this user, so that files of others are not accepted.
"""

import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.files.sealed import derive_key, is_sealed, read_sealed, write_sealed
from experiments.sweeping.identity import find_change
from experiments.sweeping.swept import CHANGED, IMAGE, SUM, Swept, assemble, from_arrays, insert
from user_error import UserError


class FileForm(NamedTuple):
    """The names of files of one kind."""

    stem: str
    plural: str

    def make_path(self, folder: Path, number: int) -> Path:
        """The file of a number."""
        return folder / f"{self.stem}-{number:06d}.npz"

    def read_number(self, path: Path) -> int | None:
        """The number of a file by its name; `None` for the file of another form."""
        named = re.fullmatch(rf"{self.stem}-(\d{{6,}})\.npz", path.name)
        return int(named[1]) if named and self.make_path(path.parent, int(named[1])).name == path.name else None


BATCH, CONDITION = FileForm("batch", "batches"), FileForm("condition", "conditions")


class Journal:
    """A folder with one array file per finished batch, and one per finished condition with a state.

    Batches are the same for any number of processes, so a sweep may go on with another number of them. Each file
    is written atomically, and is sealed for this identity and this batch: what was altered, exchanged or put there
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
        self.finished: frozenset[int] = frozenset()  # places of the finished conditions with a state

    def open(self, secret: bytes, restart: bool = False) -> None:
        """Begin or go on; called by one process, which broadcasts `shared_state` to the others.

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
        identity_file, key = self.folder / "identity.json", derive_key(secret, b"identities of sweeps")
        if os.path.lexists(identity_file):
            begun = self._require_same(read_sealed(identity_file, key))
        else:
            begun = json.dumps(self.identity, indent=2).encode()
            write_sealed(identity_file, begun, key)
        self.key = derive_key(secret, b"batches of " + begun)
        self.done, self.finished = self._find_intact(BATCH), self._find_intact(CONDITION)

    @property
    def shared_state(self) -> tuple[bytes, frozenset[int], frozenset[int]]:
        """What the first process broadcasts: key, finished batches and finished conditions."""
        return self.key, self.done, self.finished

    def take_over(self, key: bytes, done: frozenset[int], finished: frozenset[int]) -> None:
        """Take the state of the first process."""
        self.key, self.done, self.finished = key, done, finished

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

    def _find_intact(self, form: FileForm) -> frozenset[int]:
        """Numbers of the finished files of a form; damaged ones are removed, and swept again."""
        found, damaged = set(), 0
        for path in list(self.folder.iterdir()):
            if path.name.startswith((f".{form.stem}-", ".identity.json.")):  # a process was killed as it wrote
                discard(path)
            elif path.name.startswith(f"{form.stem}-"):
                number = form.read_number(path)
                if number is not None and is_sealed(path, self.key):
                    found.add(number)
                else:
                    discard(path)
                    damaged += 1
        if damaged:
            what = f"1 damaged {form.stem} is" if damaged == 1 else f"{damaged} damaged {form.plural} are"
            print(f"{self.folder}: {what} swept again", flush=True)
        return frozenset(found)

    def write(self, number: int, swept: Swept) -> None:
        """Write the counts of a batch under all conditions without a state."""
        self._write(BATCH.make_path(self.folder, number), swept)

    def write_condition(self, place: int, swept: Swept) -> None:
        """Write the counts of all images under the condition with a state at a place of the suite."""
        self._write(CONDITION.make_path(self.folder, place), swept)

    def _write(self, path: Path, swept: Swept) -> None:
        arrays = {f"{SUM}{name}": part for name, part in swept.sums.items()}
        arrays |= {f"{IMAGE}{name}": part for name, part in swept.counts.items()}
        arrays[CHANGED] = swept.changed
        content = io.BytesIO()
        np.savez_compressed(content, index=swept.index, digests=np.array(swept.digests), allow_pickle=False, **arrays)
        write_sealed(path, content.getvalue(), self.key)

    def sum_up(self) -> Swept:
        """The sum over all finished batches, images in the order of the data set, conditions in that of the suite.

        Raises:
            UserError: a file is damaged.
            OSError: the disk has no room for all counts at once, which are put together there.
        """
        together = assemble(lambda: (arrays for _, arrays in self._read(BATCH)), self.folder)
        return insert(together, {place: from_arrays(arrays) for place, arrays in self._read(CONDITION)}, self.folder)

    def _read(self, form: FileForm) -> Iterator[tuple[int, Any]]:
        """Number and arrays of the finished files of a form, one after the other."""
        for number in sorted(
            number for path in self.folder.iterdir() if (number := form.read_number(path)) is not None
        ):
            path = form.make_path(self.folder, number)
            content = read_sealed(path, self.key)
            if content is None:
                raise UserError(f"{path} was damaged: call again, and it is swept again")
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                yield number, arrays

    def remove(self) -> None:
        """Remove the journal, atomically by a rename; of a link, the link and not its target."""
        if os.path.lexists(self.folder):
            discarded = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.parent))
            self.folder.rename(discarded / "journal")
            discard(discarded)

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
