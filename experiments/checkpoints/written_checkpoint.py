"""Atomic writing of checkpoints, and their size as a file."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import torch

from experiments.files.atomic_write import atomic_write


def write_checkpoint(content: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint.

    Raises:
        OSError: the folder cannot be written or the disk is full; `path` is then unchanged.
    """
    with atomic_write(path, "wb") as file:
        try:
            torch.save(dict(content), file)
        except RuntimeError as error:  # torch's writer raises this in place of an error of the system
            raise _find_refusal(error) or error from error


class _Counter(io.RawIOBase):
    """A file object that counts the bytes written to it, and stores nothing."""

    length = 0

    def writable(self) -> bool:
        """Whether the file can be written: always."""
        return True

    def write(self, content: Any) -> int:
        """Count the bytes of `content`."""
        self.length += len(content)
        return len(content)


def count_bytes(content: Mapping[str, Any]) -> int:
    """Size in bytes of a checkpoint as a file, without writing one."""
    counter = _Counter()
    torch.save(dict(content), cast("IO[bytes]", counter))
    return counter.length


def _find_refusal(error: BaseException | None) -> OSError | None:
    while error is not None:
        if isinstance(error, OSError):
            return error
        error = error.__cause__ or error.__context__
    return None
