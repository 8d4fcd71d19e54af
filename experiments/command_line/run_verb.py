"""Run verbs as child processes, which end when this process is stopped or killed."""

import os
import sys
from subprocess import STDOUT, Popen
from typing import IO

from experiments.command_line.interrupts import describe_signal, register_child
from experiments.command_line.parent import make_child_environment


def run(*words: str, lock: int | None = None, log: IO[bytes] | None = None) -> int:
    """Run a verb and return its exit status, above 128 where a signal ended it.

    Args:
        *words: the verb and its options.
        lock: descriptor of a lock that the verb keeps holding; see `experiments.files.lock`.
        log: file for its output, in place of the standard output and error of this process.
    """
    descriptors = () if lock is None else (lock,)
    command = [sys.executable, "-m", "experiments", *words]
    error = None if log is None else STDOUT
    process = Popen(command, pass_fds=descriptors, stdout=log, stderr=error, env=make_child_environment(os.environ))
    with register_child(process):
        status = process.wait()
    return status if status >= 0 else 128 - status


def call(*words: str, lock: int | None = None) -> None:
    """Run a verb; where it fails, exit with the same status.

    The verb prints its own message, except where a signal ended it alone: then this process prints one.
    """
    status = run(*words, lock=lock)
    if status > 128:
        by = describe_signal(status - 128)
        print(f"error: {words[0]!r} was ended by {by}: the same command goes on where it stood", file=sys.stderr)
    if status:
        raise SystemExit(status)
