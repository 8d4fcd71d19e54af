"""Files appear whole or not at all."""

import atexit
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from experiments.files.leftovers import ENDING, hold, remove_leftovers

_unfinished: set[str] = set()


@contextmanager
def whole_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Write to a neighbour of `path` and move it into place when all is written.

    Raises:
        OSError: the folder cannot be written or the disk is full; `path` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=ENDING, dir=path.parent)
    held = hold(descriptor)
    _unfinished.add(name)
    try:
        with os.fdopen(descriptor, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except OSError as error:
        error.filename = error.filename2 = None
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if os.path.exists(name):
            os.unlink(name)
        _unfinished.discard(name)
        os.close(held)


@atexit.register
def _drop_unfinished() -> None:
    """Where a process ends in the middle of it; see `experiments.command_line.interrupts`."""
    for name in [*_unfinished]:
        with suppress(OSError):
            os.unlink(name)


def _umask() -> int:
    """What the user takes from the permissions of new files; `mkstemp` alone would take all but the owner's."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def require_writable(path: Path) -> None:
    """Fail before hours of work rather than after.

    Raises:
        OSError: `path` cannot be written.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        with tempfile.TemporaryFile(dir=path.parent):  # of a name that nobody can lay a link under
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
