"""Verbs that run others: each is a process of its own."""

import subprocess
import sys


def call(*words: str) -> None:
    """Run a verb; where it fails, so does this one, with the same exit status and nothing to add to what it said."""
    status = subprocess.call([sys.executable, "-m", "experiments", *words])
    if status:
        raise SystemExit(status)
