"""A file that one process at a time may hold."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from user_error import UserError

_held: set[int] = set()


def _let_go() -> None:
    """Processes forked from this one, such as those of a loader, may outlive it by seconds: they hold nothing on."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def held(path: Path, what: str, *, stays: bool = True) -> Iterator[int]:
    """Hold the lock at `path`; its descriptor, for processes that hold it on.

    The system lets go of it with the last process that has it open, however that one ends: this one, and those that it
    starts and hands the descriptor to.

    Args:
        path: of the file.
        what: happens under the lock, to be said: "a trial is running in runs/x".
        stays: whether its file is left behind, as it must be where other processes hold the lock on.

    Raises:
        UserError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _lock(path)
    if descriptor is None:
        raise UserError(f"{what} already: wait for it, or stop it, and call again")
    _held.add(descriptor)
    try:
        yield descriptor
    finally:
        if descriptor in _held:  # and not in a process forked from this one
            if not stays:
                path.unlink(missing_ok=True)  # while it is held: whoever waits for it by then takes a new one
            _held.remove(descriptor)
            os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock at `path` right now."""
    if not path.exists():
        return False
    descriptor = _lock(path)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _lock(path: Path) -> int | None:
    """Descriptor of the locked file at `path`; `None` where another process holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:  # who held it let go, and its file went
            pass
        os.close(descriptor)
