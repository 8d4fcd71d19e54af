"""Files appear whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def whole_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Write to a neighbour of `path` and move it into place when all is written.

    Raises:
        OSError: the folder cannot be written or the disk is full; `path` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
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
        with tempfile.TemporaryFile(dir=path.parent):  # of a name that nobody can lay a link under
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def say(text: str, path: Path | None) -> None:
    """Print a text, and write it to `path` as well where one is given.

    Raises:
        OSError: `path` cannot be written.
    """
    print(text, end="")
    if path is not None:
        with whole_file(path) as file:
            file.write(text)
