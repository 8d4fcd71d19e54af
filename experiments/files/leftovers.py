"""Removal of half-written files that a killed process left behind, by the next process that writes into the folder."""

import contextlib
import fcntl
import os
import re
import time
from pathlib import Path

ENDING = ".part"
HALF_WRITTEN = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(ENDING)}")
"""How `atomic_write` names a file that is not complete yet."""

_seen: set[str] = set()
_started = time.time()


def _begin() -> None:
    """Start again with the state of a new process, in a forked one."""
    global _started
    _started = time.time()
    _seen.clear()


os.register_at_fork(after_in_child=_begin)


def mark_being_written(descriptor: int) -> int:
    """Lock a file that is being written; the lock is released when the returned descriptor is closed, too."""
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return os.dup(descriptor)


def is_being_written(path: str | Path) -> bool:
    """Whether a process holds the lock that `mark_being_written` takes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove half-written files of killed processes from a folder; each process does so once per folder.

    A file that is locked, or that is younger than this process, may still be written by another process, and is not removed.
    """
    name = os.path.abspath(folder)
    if name in _seen:
        return
    _seen.add(name)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if HALF_WRITTEN.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if entry.stat().st_mtime < _started and not is_being_written(entry.path):
                        os.unlink(entry.path)
