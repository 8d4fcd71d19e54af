"""Several processes of one training or sweep: when one of them ends early, the others stop."""

import atexit
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from experiments.command_line.interrupts import describe_signal, end_now, register_child, stop
from experiments.command_line.parent import make_child_environment, watch_parent

RANK = "LOCAL_RANK"
"""Environment variable by which launchers number the processes of a machine."""

GRACE_PERIOD = 2.0
"""Seconds that processes have to end by themselves: one that waits in a collective does not handle signals."""

LOST = re.compile(
    r"Connection (?:closed|reset) by peer|Connection was likely closed|remote process exited|gloo.*Broken pipe"
    r"|Socket closed|Read error \[.*\]: Connection|Broken pipe.*gloo",
    re.IGNORECASE,
)
HOW_TO_RESUME = "the others stop, and the same command goes on where they stood"


def is_further_process(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is one of several processes on a machine other than the first, which prints for all."""
    return environment.get(RANK, "0") != "0"


def describe_lost_peer(error: BaseException | None) -> str | None:
    """The message for an error that means that another process has ended; `None` for any other."""
    while error is not None:
        if isinstance(error, RuntimeError) and LOST.search(str(error)):
            return f"another of the processes that work together has ended: {HOW_TO_RESUME}"
        error = error.__cause__ or error.__context__
    return None


def start_peers(words: Sequence[str], environments: Sequence[Mapping[str, str]]) -> None:
    """Start further processes that work with this one until its end; when one fails, all end.

    Args:
        words: the command.
        environments: one for each process.
    """
    processes = [subprocess.Popen(words, env=make_child_environment(one)) for one in environments]
    _state.watched = True
    atexit.register(_stop_peers, processes)
    for place, process in enumerate(processes, 2):
        threading.Thread(target=_watch, args=(process, f"process {place} of {len(processes) + 1}"), daemon=True).start()


def end_with_first_process(parent: int) -> None:
    """In a further process: end when the first one has ended; one of them prints a message."""
    _state.watched = True
    text = f"\nerror: the first of the processes has ended: {HOW_TO_RESUME}\n" if os.environ.get(RANK) == "1" else ""
    watch_parent(parent, lambda: end_now(1, text))


def wait_for_verdict() -> None:
    """Wait for the thread that watches a lost process, which prints the message and ends this process."""
    if _state.watched:
        sys.stderr.flush()
        time.sleep(2 * GRACE_PERIOD)


def _watch(process: subprocess.Popen, name: str) -> None:
    with register_child(process, GRACE_PERIOD):
        status = process.wait()
    by = -status if status < 0 else status - 128
    if not status or _state.finished:
        return
    if by > 0:
        end_now(1, f"\nerror: {name} was ended by {describe_signal(by)}: {HOW_TO_RESUME}\n")
    time.sleep(GRACE_PERIOD)  # it has printed why; this process probably has the same error, and then ends by itself
    if not _state.finished:
        end_now(status, f"\nerror: {name} has ended with status {status}: the others stop\n")


def _stop_peers(processes: Sequence[subprocess.Popen]) -> None:
    """Stop the other processes at the end of this one."""
    _state.finished = True
    stop((process, GRACE_PERIOD) for process in processes if process.poll() is None)


class _State:
    watched = False
    """Whether the processes that work with this one are watched."""

    finished = False
    """Whether this process has finished, and no longer needs the others."""


_state = _State()
