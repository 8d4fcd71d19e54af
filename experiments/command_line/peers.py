"""Several processes that work as one: where one of them dies, the others stop."""

import atexit
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from experiments.command_line.interrupts import describe_signal, end_now, stop, told
from experiments.command_line.parent import below, watch_parent

RANK = "LOCAL_RANK"
"""Environment variable by which launchers number the processes of a machine."""

PATIENCE = 2.0
"""Seconds that processes have to end by themselves: one that waits for another in a collective hears no signal."""

LOST = re.compile(
    r"Connection (?:closed|reset) by peer|Connection was likely closed|remote process exited|gloo.*Broken pipe"
    r"|Socket closed|Read error \[.*\]: Connection|Broken pipe.*gloo",
    re.IGNORECASE,
)
GOES_ON = "the others stop, and the same command goes on where they stood"


def is_further_process(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is one of several processes on a machine, and not the first of them, which speaks for all."""
    return environment.get(RANK, "0") != "0"


def describe_lost_peer(error: BaseException | None) -> str | None:
    """The sentence for an error that says that another process is gone; `None` for any other."""
    while error is not None:
        if isinstance(error, RuntimeError) and LOST.search(str(error)):
            return f"another of the processes that work together has ended: {GOES_ON}"
        error = error.__cause__ or error.__context__
    return None


def start_peers(words: Sequence[str], environments: Sequence[Mapping[str, str]]) -> None:
    """Start further processes that work with this one until its end; where one fails, all end.

    Args:
        words: the command.
        environments: of each process.
    """
    processes = [subprocess.Popen(words, env=below(one)) for one in environments]
    _state.watched = True
    atexit.register(_finish, processes)
    for place, process in enumerate(processes, 2):
        threading.Thread(target=_watch, args=(process, f"process {place} of {len(processes) + 1}"), daemon=True).start()


def end_with_first_process(parent: int) -> None:
    """In a further process: end when the first one has; one of them says so."""
    _state.watched = True
    text = f"\nerror: the first of the processes has ended: {GOES_ON}\n" if os.environ.get(RANK) == "1" else ""
    watch_parent(parent, lambda: end_now(1, text))


def wait_for_verdict() -> None:
    """Leave the last word on a lost process to who watches it, and does not return then."""
    if _state.watched:
        sys.stderr.flush()
        time.sleep(2 * PATIENCE)


def _watch(process: subprocess.Popen, name: str) -> None:
    with told(process, PATIENCE):
        status = process.wait()
    by = -status if status < 0 else status - 128
    if not status or _state.finished:
        return
    if by > 0:
        end_now(1, f"\nerror: {name} was ended by {describe_signal(by)}: {GOES_ON}\n")
    time.sleep(PATIENCE)  # it has said why; the same has probably met this process, which ends by itself then
    if not _state.finished:
        end_now(status, f"\nerror: {name} has ended with status {status}: the others stop\n")


def _finish(processes: Sequence[subprocess.Popen]) -> None:
    """At the end of this process."""
    _state.finished = True
    stop((process, PATIENCE) for process in processes if process.poll() is None)


class _State:
    watched = False
    """Whether the processes that work with this one are watched."""

    finished = False
    """Whether this process is at its end, and needs the others no more."""


_state = _State()
