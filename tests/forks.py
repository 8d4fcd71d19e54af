"""Processes of verbs that begin with their imports done, which take longer than most of what is tried.

One process for each worker imports what verbs import, and then only forks: what runs in a fork is a process of its own, with
its own environment, streams and end, and so are the verbs that it runs in its turn. Where it matters that nothing is
imported before, a test starts a process by itself.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import random
import runpy
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parent.parent
LONGEST = 2**20  # bytes of a request
PARENT = [sys.executable, "-c", "import os, sys, forks; forks.import_verbs(); forks.run_verb(sys.argv[1:], os.environ)"]
"""A process of its own that becomes the verb which follows, and forks those that it runs; for ROOT/tests on the path."""

ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # a pool of threads does not survive a fork


class Forks:
    """The process that forks, as the tests see it; it is started when it is first asked, and ends with the tests."""

    def __init__(self) -> None:
        self.connection: socket.socket | None = None

    def _connect(self) -> socket.socket:
        if self.connection is None:
            self.connection, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = [sys.executable, __file__, str(other.fileno())]
            environment = {**os.environ, **ONE_THREAD}
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[other.fileno()])
            other.close()
            atexit.register(self.end)
        return self.connection

    def end(self) -> None:
        """Let it end, and wait until it has."""
        if self.connection is not None:
            self.connection.close()
            self.process.wait()

    def run(self, words: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess:
        """Run ``python -m experiments`` to its end."""
        connection = self._connect()
        request = json.dumps({"words": words, "environment": {**ONE_THREAD, **environment}}).encode()
        assert len(request) < LONGEST
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
            socket.send_fds(connection, [request], [out.fileno(), error.fileno()])
            answer = connection.recv(LONGEST)
            assert answer, "the process that forks has ended"
            out.seek(0)
            error.seek(0)
            return subprocess.CompletedProcess(["experiments", *words], int(answer), out.read(), error.read())


def fork(
    command: Sequence[str], env: Mapping[str, str], pass_fds: Sequence[int] = (), **streams: Any
) -> subprocess.Popen:
    """As `subprocess.Popen` of ``python -m experiments``, without another interpreter in the fork."""
    descriptors = [os.dup(number) for number in pass_fds]  # the fork of a process that holds a lock lets go of its own

    def become() -> None:
        for number in map(int, os.listdir("/proc/self/fd")):
            if number > 2 and number not in descriptors:
                with contextlib.suppress(OSError):  # the listing itself
                    os.close(number)
        run_verb(command[3:], env)

    process = subprocess.Popen(command, preexec_fn=become, pass_fds=descriptors, **streams)
    for number in descriptors:
        os.close(number)
    return process


def run_verb(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Make this fork the process of a verb, and end it."""
    import numpy as np
    from huggingface_hub import constants
    from lightning_fabric.utilities import rank_zero
    from wandb.sdk.data_types._private import MEDIA_TMP

    np.random.seed()  # noqa: NPY002  (as in a process that has only just begun)
    random.seed()
    os.environ.clear()
    os.environ.update(environment)
    rank_zero.rank_zero_only.rank = rank_zero._get_rank() or 0  # type: ignore[attr-defined]  # as its import does
    importlib.reload(constants)
    MEDIA_TMP._finalizer.detach()  # type: ignore[attr-defined]  # the folder of the process that forks
    MEDIA_TMP.name = tempfile.mkdtemp("wandb-media")
    atexit.register(MEDIA_TMP.cleanup)
    sys.path += [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path not in sys.path]
    sys.argv[1:] = words
    status: Any = 1
    try:
        runpy.run_module("experiments", run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:  # as at the end of any process, but for taking all apart that was imported, which takes long in a fork
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def import_verbs() -> None:
    """Import what verbs import, and have verbs fork those that they run, those that they train or sweep with, and the process
    that looks at their data.
    """
    from experiments.ablation import same_data
    from experiments.command_line import peers
    from experiments.command_line import run_verb as run_verb_module
    from experiments.commands.evaluate import benchmark  # noqa: F401
    from experiments.training import cli  # noqa: F401

    run_verb_module.Popen = fork  # type: ignore[assignment, misc]
    peers.subprocess = SimpleNamespace(Popen=fork)  # type: ignore[assignment]
    same_data.get_context = lambda method: get_context("fork")  # type: ignore[assignment, misc]
    gc.freeze()


def main() -> None:
    """Fork for every request until nobody asks any more."""
    sys.path[0] = str(ROOT)
    import_verbs()
    connection = socket.socket(fileno=int(sys.argv[1]))
    while True:
        request, streams, *_ = socket.recv_fds(connection, LONGEST, 2)
        if not request:
            return
        asked, (out, error) = json.loads(request), streams
        command = [sys.executable, "-m", "experiments", *asked["words"]]
        status = fork(command, asked["environment"], stdout=out, stderr=error).wait()
        for stream in streams:
            os.close(stream)
        connection.send(str(status).encode())


if __name__ == "__main__":
    main()
