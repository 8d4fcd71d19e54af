"""The file of a checkpoint: it appears whole, beside the one that it replaces, or not at all."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import torch

from experiments.files.atomic_write import atomic_write


def write_checkpoint(content: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint.

    Raises:
        OSError: the folder cannot be written or the disk is full; `path` is then as it was.
    """
    with atomic_write(path, "wb") as file:
        try:
            torch.save(dict(content), file)
        except RuntimeError as error:  # torch's writer makes one of its own of what the system refuses
            raise _find_refusal(error) or error from error


class _Counter(io.RawIOBase):
    """A file that keeps nothing but its length."""

    length = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, content: Any) -> int:
        """Count."""
        self.length += len(content)
        return len(content)


def count_bytes(content: Mapping[str, Any]) -> int:
    """Bytes that a checkpoint takes as a file, without writing one."""
    counter = _Counter()
    torch.save(dict(content), cast("IO[bytes]", counter))
    return counter.length


def _find_refusal(error: BaseException | None) -> OSError | None:
    while error is not None:
        if isinstance(error, OSError):
            return error
        error = error.__cause__ or error.__context__
    return None
