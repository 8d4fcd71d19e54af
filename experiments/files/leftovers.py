"""What a process that was killed has left half written: it goes when the next one writes beside it."""

import contextlib
import fcntl
import os
import re
import time
from pathlib import Path

ENDING = ".part"
HALF_WRITTEN = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(ENDING)}")
"""How `whole_file` names a file that is not whole yet."""

_seen: set[str] = set()
_started = time.time()


def _begin() -> None:
    """A forked process is one of its own."""
    global _started
    _started = time.time()
    _seen.clear()


os.register_at_fork(after_in_child=_begin)


def hold(descriptor: int) -> int:
    """Show others that a file is being written, until the descriptor that this returns is closed, too."""
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return os.dup(descriptor)


def is_held(path: str | Path) -> bool:
    """Whether a process has the file open, and shows it by `hold`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove from a folder, once in each process, what others began to write there and did not live to finish.

    A file that is held, or that is younger than this process, may have an owner, and stays.
    """
    name = os.path.abspath(folder)
    if name in _seen:
        return
    _seen.add(name)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if HALF_WRITTEN.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if entry.stat().st_mtime < _started and not is_held(entry.path):
                        os.unlink(entry.path)
