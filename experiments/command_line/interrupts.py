"""How a verb ends when it is stopped: at once, with one sentence and its status, whatever it is in the middle of.

An exception would not do: libraries swallow a KeyboardInterrupt or make another error of it, an import that it breaks
off fails again elsewhere, and Lightning answers SIGTERM with a collective that another process may never join. Since
all files appear whole or not at all, nothing has to be wound up; what lies half written is removed.

This is imported before anything else, and so rests on the standard library alone.
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
PATIENCE = 10.0
"""Seconds that a process below has to end when it is told to; what it starts itself included."""

GOES_ON = ("fit", "benchmark", "trial", "ablate")
"""Verbs that keep what they have done when they are stopped."""

_below: list[tuple[Popen, float]] = []
_ending = threading.Lock()


@contextlib.contextmanager
def told(process: Popen, patience: float = PATIENCE) -> Iterator[None]:
    """When this process is stopped, so is one that it started.

    Args:
        process: that was started.
        patience: seconds that it has to end by itself.
    """
    entry = (process, patience)
    _below.append(entry)
    try:
        yield
    finally:
        if entry in _below:
            _below.remove(entry)


def describe_interruption(verb: str, words: Iterable[str]) -> str:
    """What is said of a verb that was stopped; no more than is so."""
    words = list(words)
    if verb not in GOES_ON and not (verb == "ensemble" and "--seeds" in words):
        return (
            f"interrupted: {verb!r} keeps nothing of its work; the same command begins again" if verb else "interrupted"
        )
    again = "the same command without --restart" if "--restart" in words else "the same command"
    return f"interrupted: {again} goes on where {verb!r} stood"


def end_when_stopped(verb: str, words: Iterable[str], silent: bool) -> None:
    """From now on the signals of `STOPPING` end this process, with the status that shells give them.

    Those that whoever started the process lets it ignore, as ``nohup`` does, stay ignored.

    Args:
        verb: that runs.
        words: its options.
        silent: say nothing: what started this process speaks for both.
    """
    owner, text = os.getpid(), f"\n{describe_interruption(verb, words)}\n"

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            _end_from_thread(128 + number, "" if silent else text)
        elif number != signal.SIGINT:  # a worker of a loader; Ctrl-C reaches it, too, but its owner ends it
            os._exit(128 + number)

    for one in STOPPING:
        if signal.getsignal(one) != signal.SIG_IGN:
            signal.signal(one, end)


def _end_from_thread(status: int, text: str) -> None:
    """Never return, and let no other signal's answer break in: torch raises an error for each worker that has ended."""
    while True:
        with contextlib.suppress(BaseException):
            if not _ending.locked():
                _thread.start_new_thread(end_now, (status, text))
            time.sleep(0.05)


def end_now(status: int, text: str) -> None:
    """End this process and all below it, with a last word; called by a thread other than the main one."""
    if not _ending.acquire(blocking=False):
        return  # another thread is at it
    try:
        stop(list(_below))
        _try(sys.stdout.flush, 1)  # the main thread may have been writing
        os.write(2, text.encode())
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        _try(atexit._run_exitfuncs, PATIENCE / 2)  # half-written files go, W&B puts its run down
    finally:
        os._exit(status)


def _try(task: Callable[[], object], seconds: float) -> None:
    """Do something, and wait no longer for it than that."""
    thread = threading.Thread(target=task, daemon=True)
    thread.start()
    thread.join(seconds)


def describe_signal(number: int) -> str:
    """The name of a signal; of the one that nobody can answer with what it comes from."""
    if number == signal.SIGKILL:
        return "SIGKILL (the system sends it where the memory is used up)"
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def stop(processes: Iterable[tuple[Popen, float]]) -> None:
    """End processes below this one, each given with the seconds it has for it, and wait until they are gone."""
    started, left = time.monotonic(), {process.pid: patience for process, patience in processes}
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    while left:
        for pid, patience in list(left.items()):
            if _is_over(pid):
                del left[pid]
            elif time.monotonic() - started > patience:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _is_over(pid: int) -> bool:
    """Whether a process below this one has ended. `Popen.wait` holds a lock, and may be what the signal broke in upon."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
