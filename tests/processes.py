"""Real processes of verbs: started, looked at from outside, and ended. For Linux, as everything that reads /proc."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from command_line import ROOT

PROC = Path("/proc")
LISTENS = "0A"


_started: list[subprocess.Popen] = []


def _reset_signals() -> None:
    """Where the tests were started in the background or by nohup, all below them would ignore these signals."""
    for one in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(one, signal.SIG_DFL)


def start(*words: str | Path, **environment: str) -> subprocess.Popen:
    """A verb in a session of its own, as a terminal would start it; what it says can be read from it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_reset_signals,
    )
    _started.append(process)
    return process


def end_all() -> None:
    """Kill what is left of the sessions that were started: a test that failed leaves none behind."""
    while _started:
        leader = _started.pop().pid
        for pid in list_session(leader):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not (is_true := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_true


def list_session(leader: int) -> dict[int, str]:
    """Processes of a session that still run, with their commands; those that have ended and wait to be noticed are none."""
    found = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it ended just now
            continue
    return found


def list_listening_addresses(pid: int) -> set[str]:
    """Addresses, in the kernel's hexadecimal, on which a process accepts connections over IP."""
    try:
        inodes = {os.readlink(one) for one in (PROC / str(pid) / "fd").iterdir()}
    except OSError:
        return set()
    found = set()
    for table in ("tcp", "tcp6"):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and f"socket:[{fields[9]}]" in inodes:
                found.add(fields[1].split(":")[0])
    return found


def find_further_process(leader: int) -> int | None:
    """The second of the processes that train or sweep together, of which `leader` is the first."""
    for pid in list_session(leader):
        try:
            parent = (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[1]
            if parent == str(leader) and "\0LOCAL_RANK=1\0" in (PROC / str(pid) / "environ").read_text():
                return pid
        except OSError:
            continue
    return None
