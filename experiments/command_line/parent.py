"""End a process together with the one that started it, also where that is killed."""

import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping

CALLER = "ROBUST_SEGMENTATION_CALLER"
"""Environment variable: the id of the process that started this one as part of its work, and prints for both."""

PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


def make_child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child process that is part of this one's work."""
    return {**environment, CALLER: str(os.getpid())}


def take_caller() -> int | None:
    """The id of the process that this one is part of, if any; it is removed from the environment, so not inherited."""
    caller = os.environ.pop(CALLER, None)
    return None if caller is None else int(caller)


def end_with_parent(parent: int) -> None:
    """Have the system kill this process as soon as its parent ends; on Linux alone, elsewhere nothing happens.

    The system takes the thread that started the process as its parent: that thread has to live as long as its process.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it had ended before
        os._exit(128 + signal.SIGKILL)


def end_workers_with_parent() -> None:
    """Have every process that is forked from the current thread, such as a loader worker, end with this one."""
    thread, parent = threading.get_ident(), os.getpid()

    def follow() -> None:
        if threading.get_ident() == thread and os.getppid() == parent:
            end_with_parent(parent)

    os.register_at_fork(after_in_child=follow)


def watch_parent(parent: int, gone: Callable[[], None]) -> None:
    """Call `gone`, from a thread, when the process `parent` that started this one has ended."""

    def watch() -> None:
        try:
            select.select([os.pidfd_open(parent)], [], [])
        except (AttributeError, OSError):  # another system, or it has ended already
            while os.getppid() == parent:
                time.sleep(0.5)
        gone()

    threading.Thread(target=watch, daemon=True, name="watch-parent").start()
