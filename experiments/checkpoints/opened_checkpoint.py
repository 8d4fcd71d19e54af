"""A checkpoint is opened once: what is loaded and what is hashed are the same bytes, whatever its path holds by then."""

import hashlib
import os
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path

from user_error import UserError


def require_checkpoint(path: Path) -> None:
    """Refuse the path of no file.

    Raises:
        UserError: there is none.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint {str(path)!r}: pass the best.ckpt or last.ckpt of a run folder")


class CheckpointFile:
    """An open checkpoint. A training that replaces the file meanwhile leaves this one as it is.

    Args:
        path: of the file.

    Raises:
        UserError: there is none.
    """

    def __init__(self, path: Path) -> None:
        require_checkpoint(path)
        self.path = path
        self._file = path.open("rb")
        self._opened = self._state()
        self._sha256 = ""

    def stream(self) -> BufferedReader:
        """The file, from its beginning."""
        self._file.seek(0)
        return self._file

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._opened[0]

    @property
    def sha256(self) -> str:
        """Hex digest of all that was read of it; ask for it last.

        Raises:
            UserError: something has written into the file since it was opened.
        """
        self._sha256 = self._sha256 or hashlib.file_digest(self.stream(), "sha256").hexdigest()
        if self._state() != self._opened:
            raise UserError(f"the checkpoint {str(self.path)!r} was written into while it was read: call again")
        return self._sha256

    def _state(self) -> tuple[int, int]:
        entry = os.fstat(self._file.fileno())
        return entry.st_size, entry.st_mtime_ns


def open_checkpoint(source: Path | CheckpointFile) -> CheckpointFile:
    """`source` itself where it is open already.

    Raises:
        UserError: no such file.
    """
    return source if isinstance(source, CheckpointFile) else CheckpointFile(source)


def different(files: Sequence[CheckpointFile]) -> list[str]:
    """The digests of checkpoints, of which no two are the same.

    Raises:
        UserError: two are.
    """
    found: dict[str, Path] = {}
    for file in files:
        if file.sha256 in found:
            raise UserError(f"{str(found[file.sha256])!r} and {str(file.path)!r} are the same checkpoint: pass it once")
        found[file.sha256] = file.path
    return list(found)
