"""Atomic writes: a file appears with all its content or not at all."""

import atexit
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from experiments.files.leftovers import ENDING, mark_being_written, remove_leftovers

_unfinished: set[str] = set()


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Write to a temporary file beside `path`, and move it into place when all is written.

    Raises:
        OSError: the folder cannot be written or the disk is full; `path` is then unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=ENDING, dir=path.parent)
    lock = mark_being_written(descriptor)
    _unfinished.add(name)
    try:
        with os.fdopen(descriptor, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_read_umask())
        os.replace(name, path)
    except OSError as error:
        error.filename = error.filename2 = None
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if os.path.exists(name):
            os.unlink(name)
        _unfinished.discard(name)
        os.close(lock)


@atexit.register
def _remove_unfinished() -> None:
    """Remove temporary files when the process ends before they are complete; see `experiments.command_line.interrupts`."""
    for name in [*_unfinished]:
        with suppress(OSError):
            os.unlink(name)


def _read_umask() -> int:
    """The permissions that the user's umask removes from new files; those of `mkstemp` are the owner's alone."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def require_writable(path: Path) -> None:
    """Check that `path` can be written, before hours of work rather than after.

    Raises:
        OSError: `path` cannot be written.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        with tempfile.TemporaryFile(dir=path.parent):  # without a name, so that nobody can replace it by a link
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
