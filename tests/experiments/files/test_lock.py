"""A lock is held by the process that took it and by those that got its descriptor, and by no other."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT

from experiments.files.lock import hold_lock
from user_error import UserError

FORKS = """
import os, signal, sys
from pathlib import Path
from experiments.files.lock import hold_lock
with hold_lock(Path(sys.argv[1]), "a test is running"):
    if not os.fork():
        print(os.getpid(), flush=True)  # said by itself: from here on it holds no lock any more
    signal.pause()
"""


def test_a_killed_process_lets_go_although_its_workers_live(tmp_path: Path) -> None:
    """The loader's processes are forked, and see only after some seconds that they are alone."""
    lock = tmp_path / "fit.lock"
    parent = subprocess.Popen([sys.executable, "-c", FORKS, str(lock)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        with pytest.raises(UserError, match="a test is running already"), hold_lock(lock, "a test is running"):
            pass
        parent.kill()
        parent.wait()
        os.kill(child, 0)  # it lives
        with hold_lock(lock, "a test is running"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        parent.stdout.close()


def test_a_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), hold_lock(tmp_path / "lock", "it"):
        raise KeyError
    with hold_lock(tmp_path / "lock", "it"), pytest.raises(UserError), hold_lock(tmp_path / "lock", "it"):
        pass
