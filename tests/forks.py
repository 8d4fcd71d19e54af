"""Processes of verbs that begin with their imports done, which take longer than most of what is tried.

One process for each worker imports what verbs import, and then only forks: what runs in a fork is a process of its own, with
its own environment, streams and end. Where it matters that nothing is imported before, a test starts a process by itself.
"""

import atexit
import gc
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LONGEST = 2**20  # bytes of a request
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


def serve(connection: socket.socket) -> dict | None:
    """Fork for every request until nobody asks any more; in each fork, its request is returned."""
    while True:
        request, streams, *_ = socket.recv_fds(connection, LONGEST, 2)
        if not request:
            return None
        pid = os.fork()
        if pid == 0:
            connection.close()
            for target, stream in enumerate(streams, 1):
                os.dup2(stream, target)
                os.close(stream)
            return json.loads(request)
        for stream in streams:
            os.close(stream)
        connection.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def main() -> None:
    """Import, serve, and in a fork become the verb."""
    sys.path[0] = str(ROOT)
    import numpy as np

    import experiments.benchmark
    import experiments.training.cli  # noqa: F401

    gc.freeze()
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    if request is None:
        return
    np.random.seed()  # noqa: NPY002  (as in a process that has only just begun)
    random.seed()
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["words"]
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


if __name__ == "__main__":
    main()
