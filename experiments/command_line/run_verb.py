"""Verbs that run others: each is a process of its own, which ends when this one is stopped or killed."""

import os
import sys
from subprocess import STDOUT, Popen
from typing import IO

from experiments.command_line.interrupts import describe_signal, told
from experiments.command_line.parent import below


def run(*words: str, holding: int | None = None, log: IO[bytes] | None = None) -> int:
    """Run a verb; its exit status, above 128 where a signal ended it.

    Args:
        *words: the verb and its options.
        holding: descriptor of a lock that the verb holds on; see `experiments.files.lock`.
        log: where what it says goes, in place of what this process prints to.
    """
    held = () if holding is None else (holding,)
    command = [sys.executable, "-m", "experiments", *words]
    error = None if log is None else STDOUT
    process = Popen(command, pass_fds=held, stdout=log, stderr=error, env=below(os.environ))
    with told(process):
        status = process.wait()
    return status if status >= 0 else 128 - status


def call(*words: str, holding: int | None = None) -> None:
    """Run a verb; where it fails, so does this one, with the same exit status.

    There is nothing to add to what it said, but for a signal that ended it alone: of that it says nothing.
    """
    status = run(*words, holding=holding)
    if status > 128:
        by = describe_signal(status - 128)
        print(f"error: {words[0]!r} was ended by {by}: the same command goes on where it stood", file=sys.stderr)
    if status:
        raise SystemExit(status)
