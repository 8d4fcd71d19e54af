"""Locking: several calls of `ablate` may work in one folder if their trials have the same settings."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from experiments.ablation.trial_folder import TrialFolder

LOCK = "ablate.lock"


@contextmanager
def claim_trials(folder: Path, trials: Sequence[TrialFolder]) -> Iterator[None]:
    """Write the fingerprints of the trials, and lock the folder against calls with other settings until the context ends.

    A call that has the folder to itself may replace the fingerprints of trials that were never trained; while another call
    is running, the fingerprints that it wrote are binding.

    Args:
        folder: of the ablation.
        trials: all of them, also those of other shards.

    Raises:
        UserError: one of them holds a trial of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        alone = _try_lock(descriptor)
        if not alone:
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # waits for one that is writing, not for those that train
        for trial in trials:
            trial.require_same(claimed=not alone or trial.is_running())
        for trial in trials:
            if not (trial.has_work() or trial.is_running()):
                trial.claim()
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
