"""Checkpoints that stay open, so that loading and hashing read the same bytes even if the path is replaced."""

import hashlib
import os
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path

from user_error import UserError


def require_checkpoint(path: Path) -> None:
    """Refuse a path at which there is no file.

    Raises:
        UserError: there is no file.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint {str(path)!r}: pass the best.ckpt or last.ckpt of a run folder")


class CheckpointFile:
    """An open checkpoint; its content stays the same if a training replaces the file meanwhile.

    Args:
        path: of the file.

    Raises:
        UserError: there is no such file.
    """

    def __init__(self, path: Path) -> None:
        require_checkpoint(path)
        self.path = path
        self._file = path.open("rb")
        self._opened = self._read_state()
        self._sha256 = ""

    def rewind(self) -> BufferedReader:
        """The open file, positioned at its beginning."""
        self._file.seek(0)
        return self._file

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self._opened[0]

    @property
    def sha256(self) -> str:
        """Hex digest of the content; to be read last.

        Raises:
            UserError: the file was modified since it was opened.
        """
        self._sha256 = self._sha256 or hashlib.file_digest(self.rewind(), "sha256").hexdigest()
        if self._read_state() != self._opened:
            raise UserError(f"the checkpoint {str(self.path)!r} was written into while it was read: call again")
        return self._sha256

    def _read_state(self) -> tuple[int, int]:
        entry = os.fstat(self._file.fileno())
        return entry.st_size, entry.st_mtime_ns


def open_checkpoint(source: Path | CheckpointFile) -> CheckpointFile:
    """Open a checkpoint; `source` itself where it is open already.

    Raises:
        UserError: no such file.
    """
    return source if isinstance(source, CheckpointFile) else CheckpointFile(source)


def find_distinct_digests(files: Sequence[CheckpointFile]) -> list[str]:
    """The digests of checkpoints, no two of which may be the same.

    Raises:
        UserError: two are the same.
    """
    found: dict[str, Path] = {}
    for file in files:
        if file.sha256 in found:
            raise UserError(f"{str(found[file.sha256])!r} and {str(file.path)!r} are the same checkpoint: pass it once")
        found[file.sha256] = file.path
    return list(found)
