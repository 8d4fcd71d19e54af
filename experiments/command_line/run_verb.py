"""Verbs that run others: each is a process of its own."""

import subprocess
import sys


def call(*words: str, holding: int | None = None) -> None:
    """Run a verb; where it fails, so does this one, with the same exit status and nothing to add to what it said.

    Args:
        *words: the verb and its options.
        holding: descriptor of a lock that the verb holds on; see `experiments.files.lock`.
    """
    held = () if holding is None else (holding,)
    status = subprocess.call([sys.executable, "-m", "experiments", *words], pass_fds=held)
    if status:
        raise SystemExit(status)
