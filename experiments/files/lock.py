"""A file that one process at a time may hold."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from user_error import UserError


@contextmanager
def held(path: Path, what: str) -> Iterator[int]:
    """Hold the lock at `path`, whose file stays; its descriptor, for processes that hold it on.

    The system lets go of it with the last process that has it open, however that one ends.

    Args:
        path: of the file.
        what: happens under the lock, to be said: "a trial is running in runs/x".

    Raises:
        UserError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{what} already: wait for it, or stop it, and call again") from error
        yield file.fileno()
