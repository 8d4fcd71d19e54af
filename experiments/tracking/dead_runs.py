"""Removal of the empty metrics that killed calls leave behind; those with content are not removed."""

import os
import shutil
from pathlib import Path

from experiments.files.leftovers import is_being_written, mark_being_written

OWNER = "owner.lock"
"""Lock file in a folder of W&B, held by the process that writes there."""

HEADER = 7
"""Bytes of a W&B file to which nothing was logged, so that `wandb sync` has nothing to upload."""

_open_locks: list[int] = []


def hold_run(files: Path) -> None:
    """Mark a W&B run as being written until this process ends.

    Args:
        files: ``dir`` of the run, within its folder.
    """
    descriptor = os.open(files.parent / OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    _open_locks.append(mark_being_written(descriptor))
    os.close(descriptor)


def remove_dead_runs(run: Path) -> None:
    """Remove the W&B runs in a run folder that no process writes and to which nothing was logged."""
    for folder in run.glob("wandb/*run-*-*"):
        logged = sum(path.stat().st_size - HEADER for path in folder.glob("run-*.wandb"))
        owner = folder / OWNER
        if not folder.is_symlink() and logged <= 0 and owner.exists() and not is_being_written(owner):
            shutil.rmtree(folder, ignore_errors=True)


def remove_empty_versions(metrics: Path) -> None:
    """Remove metrics folders of trainings that were killed before their first row; the caller holds the run folder's lock."""
    for folder in metrics.glob("version_*"):
        rows = folder / "metrics.csv"
        if not rows.exists() or not rows.stat().st_size:
            shutil.rmtree(folder, ignore_errors=True)
