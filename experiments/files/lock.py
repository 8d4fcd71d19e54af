"""A lock file that one process at a time may hold."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from user_error import UserError

_locked_descriptors: set[int] = set()


def _release_locks() -> None:
    """Release all locks in a forked process, such as a loader worker, which may outlive this one by seconds."""
    for descriptor in _locked_descriptors:
        os.close(descriptor)
    _locked_descriptors.clear()


os.register_at_fork(after_in_child=_release_locks)


@contextmanager
def hold_lock(path: Path, what: str, *, keep_file: bool = True) -> Iterator[int]:
    """Hold the lock at `path`, and yield its descriptor for child processes that are to keep holding it.

    The system releases the lock when the last process that has the file open ends, however it ends: this one, and those
    that it starts with the descriptor.

    Args:
        path: of the file.
        what: what happens under the lock, for the message: "a trial is running in runs/x".
        keep_file: whether the lock file is left behind, as it must be where child processes keep holding the lock.

    Raises:
        UserError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _lock(path)
    if descriptor is None:
        raise UserError(f"{what} already: wait for it, or stop it, and call again")
    _locked_descriptors.add(descriptor)
    try:
        yield descriptor
    finally:
        if descriptor in _locked_descriptors:  # not so in a process forked from this one
            if not keep_file:
                path.unlink(
                    missing_ok=True
                )  # while it is locked: a process that opens the path after this creates a new file
            _locked_descriptors.remove(descriptor)
            os.close(descriptor)


def is_locked(path: Path) -> bool:
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
        except FileNotFoundError:  # its holder released the lock and removed the file
            pass
        os.close(descriptor)
