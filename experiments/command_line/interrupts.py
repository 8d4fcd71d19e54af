"""How a verb ends on a signal: at once, with one sentence and an exit status, whatever it is doing.

An exception is not enough: libraries swallow a KeyboardInterrupt or turn it into another error, an interrupted import
fails again elsewhere, and Lightning answers SIGTERM with a collective that another process may never join. Since all
files are written atomically, no other cleanup is needed than to remove half-written ones.

This module is imported before all others, and imports the standard library alone.
"""

import _thread
import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from subprocess import Popen
from types import FrameType

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
GRACE_PERIOD = 10.0
"""Seconds that a child process, with its own children, has to end after SIGTERM."""

RESUMABLE = ("fit", "benchmark", "trial", "ablate")
"""Verbs that keep their finished work when they are stopped, and resume."""

_children: list[tuple[Popen, float]] = []
_ending = threading.Lock()
_stopped: list[int] = []


@contextlib.contextmanager
def register_child(process: Popen, grace_period: float = GRACE_PERIOD) -> Iterator[None]:
    """Stop a child process when this one is stopped.

    Args:
        process: the child process.
        grace_period: seconds that it has to end after SIGTERM.
    """
    entry = (process, grace_period)
    _children.append(entry)
    try:
        yield
    finally:
        if entry in _children:
            _children.remove(entry)


def describe_interruption(verb: str, words: Iterable[str]) -> str:
    """The message for a verb that was stopped: whether the same command resumes its work."""
    words = list(words)
    if verb == "demo":
        return f"interrupted: the page of {verb!r} has ended; the same command opens it again"
    if verb not in RESUMABLE and not (verb == "ensemble" and "--seeds" in words):
        return (
            f"interrupted: {verb!r} keeps nothing of its work; the same command begins again" if verb else "interrupted"
        )
    again = "the same command without --restart" if "--restart" in words else "the same command"
    return f"interrupted: {again} goes on where {verb!r} stood"


def end_when_stopped(verb: str, words: Iterable[str], silent: bool) -> None:
    """Install handlers by which the signals of `STOPPING` end this process, with the exit status that shells give them.

    Signals that are ignored at the start of the process, as under ``nohup``, stay ignored.

    Args:
        verb: the verb that runs.
        words: its options.
        silent: print nothing, since the process that started this one prints for both.
    """
    owner, text = os.getpid(), f"\n{describe_interruption(verb, words)}\n"

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            _end_from_thread(128 + number, "" if silent else text)
        elif number != signal.SIGINT:  # a loader worker; Ctrl-C reaches it, too, but its parent ends it
            os._exit(128 + number)

    for one in STOPPING:
        if signal.getsignal(one) != signal.SIG_IGN:
            signal.signal(one, end)


def _end_from_thread(status: int, text: str) -> None:
    """Start `end_now` in a thread and never return.

    The handlers of other signals, such as torch's of a loader worker that ends, must not raise their exceptions here: they
    would let the interrupted code go on, beside the thread.
    """
    _stopped.append(status)
    while True:
        try:
            _silence_handlers()
            _thread.start_new_thread(end_now, (status, text))
            while True:
                time.sleep(1)
        except BaseException:  # of a handler that was not silenced yet
            continue


def _silence_handlers() -> None:
    for one in signal.valid_signals():
        if callable(signal.getsignal(one)):
            # SIGCHLD, which not every system has, is not ignored, or nobody could wait for children
            signal.signal(one, signal.SIG_DFL if one == getattr(signal, "SIGCHLD", None) else signal.SIG_IGN)


def stay_if_stopped() -> None:
    """Never return where a signal is ending this process; an exception may have escaped from the handler nevertheless."""
    while _stopped:
        time.sleep(1)


def end_now(status: int, text: str) -> None:
    """End this process and its children, with a message; called by a thread other than the main one."""
    if not _ending.acquire(blocking=False):
        return  # another thread is ending the process
    try:
        stop(list(_children))
        _run_with_timeout(sys.stdout.flush, 1)  # the main thread may have been writing
        os.write(2, text.encode())
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        _run_with_timeout(atexit._run_exitfuncs, GRACE_PERIOD / 2)  # removes half-written files, and closes the W&B run
    finally:
        os._exit(status)


def _run_with_timeout(task: Callable[[], object], seconds: float) -> None:
    """Run `task` in a thread, and wait for it for at most so many seconds."""
    thread = threading.Thread(target=task, daemon=True)
    thread.start()
    thread.join(seconds)


def describe_signal(number: int) -> str:
    """The name of a signal; for SIGKILL, which cannot be handled, with its usual cause."""
    if number == signal.SIGKILL:
        return "SIGKILL (the system sends it where the memory is used up)"
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def stop(processes: Iterable[tuple[Popen, float]]) -> None:
    """End child processes, each with its grace period in seconds, and wait until they have ended."""
    started, left = time.monotonic(), {process.pid: grace_period for process, grace_period in processes}
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    while left:
        for pid, grace_period in list(left.items()):
            if _is_over(pid):
                del left[pid]
            elif time.monotonic() - started > grace_period:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _is_over(pid: int) -> bool:
    """Whether a child process has ended; `Popen.wait` takes a lock, which the interrupted code may hold."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
