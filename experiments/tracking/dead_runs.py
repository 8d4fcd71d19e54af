"""What calls that were killed leave of their metrics: it goes where it says nothing, and stays where it does."""

import os
import shutil
from pathlib import Path

from experiments.files.leftovers import is_being_written, mark_being_written

OWNER = "owner.lock"
"""File in a folder of W&B that the process which writes there holds."""

HEADER = 7
"""Bytes of a file of W&B to which nothing was logged: there is nothing that `wandb sync` could upload."""

_held: list[int] = []


def hold_run(files: Path) -> None:
    """Show that the W&B run whose `files` lie there is being written, until this process ends.

    Args:
        files: ``dir`` of the run, within its folder.
    """
    descriptor = os.open(files.parent / OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    _held.append(mark_being_written(descriptor))
    os.close(descriptor)


def remove_dead_runs(run: Path) -> None:
    """Remove what W&B began below a run folder and nobody goes on with, where nothing was logged to it."""
    for folder in run.glob("wandb/*run-*-*"):
        logged = sum(path.stat().st_size - HEADER for path in folder.glob("run-*.wandb"))
        owner = folder / OWNER
        if not folder.is_symlink() and logged <= 0 and owner.exists() and not is_being_written(owner):
            shutil.rmtree(folder, ignore_errors=True)


def remove_empty_versions(metrics: Path) -> None:
    """Remove folders of trainings that were killed before their first row; called by the one that holds the run folder."""
    for folder in metrics.glob("version_*"):
        rows = folder / "metrics.csv"
        if not rows.exists() or not rows.stat().st_size:
            shutil.rmtree(folder, ignore_errors=True)
