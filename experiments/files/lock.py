"""A file that one process at a time may hold."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from user_error import UserError


@contextmanager
def held(path: Path, what: str, *, stays: bool = True) -> Iterator[int]:
    """Hold the lock at `path`; its descriptor, for processes that hold it on.

    The system lets go of it with the last process that has it open, however that one ends.

    Args:
        path: of the file.
        what: happens under the lock, to be said: "a trial is running in runs/x".
        stays: whether its file is left behind, as it must be where other processes hold the lock on.

    Raises:
        UserError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path, what) as file:
        try:
            yield file.fileno()
        finally:
            if not stays:
                path.unlink(missing_ok=True)  # before the lock goes: whoever has it open by then takes a new one


def _locked(path: Path, what: str) -> IO[str]:
    """The file at `path`, open and locked."""
    while True:
        file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:  # another process let go of it, and its file went
            pass
        except BlockingIOError as error:
            file.close()
            raise UserError(f"{what} already: wait for it, or stop it, and call again") from error
        file.close()
