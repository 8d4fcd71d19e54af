"""Whether the data of trials that are done are still those that they were trained and swept on."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from experiments.ablation.record_origin import read_origin
from experiments.checkpoints.settings import read_settings
from safe_files.roots import find_data
from user_error import UserError, find_user_error


class DoneTrial(NamedTuple):
    """A trial that is done.

    Args:
        run: its folder.
        record: path of its record.
        root: where the data lie now; where they lay then if `None`.
    """

    run: Path
    record: Path
    root: str | None


def require_same_data(trials: Sequence[DoneTrial]) -> None:
    """Refuse trials whose images or labels are no longer the same.

    Data that are not here change nothing. The libraries of data take seconds to import and much memory: they stay in a
    process that ends with this.

    Raises:
        UserError: those of one changed.
    """
    if not trials:
        return
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        changed = pool.submit(find_changes, trials).result()
    for trial, reason in zip(trials, changed, strict=True):
        if reason is not None:
            raise UserError(
                f"{trial.run} holds a trial on other data ({reason}): pass another folder to keep it, or --restart to train anew"
            )


def find_changes(trials: Sequence[DoneTrial]) -> list[str | None]:
    """What changed in the data of each, in words."""
    import torchvision_operators  # noqa: F401  (before Lightning, and with it torchvision)

    return [find_change(trial) for trial in trials]


def find_change(trial: DoneTrial) -> str | None:
    """What changed in the data of a trial since it was trained and swept; `None` where nothing did, or it is unknown."""
    described = (read_settings(trial.run / "best.ckpt") or {}).get("data")
    root = trial.root or ((described or {}).get("init_args") or {}).get("root")
    if described is None or (isinstance(root, str) and not find_data(root).exists()):
        return None
    try:
        return _compare(trial)
    except Exception as error:  # a parser wraps what a constructor raises
        mistake = find_user_error(error)
        if mistake is None:
            raise
        return str(mistake)


def _compare(trial: DoneTrial) -> str | None:
    from experiments.command_line.data_option import choose_data
    from experiments.training.content import read_splits
    from experiments.training.run_folder import RunFolder

    words = [] if trial.root is None else [f"--data.init_args.root={trial.root}"]
    data: Any = choose_data("trial", trial.run / "best.ckpt", words).module
    for split, before in read_splits(RunFolder(trial.run).content).items():
        now = data.compute_fingerprint(split, before)
        seen = {key: now.settings.get(key) for key in before.settings}  # by a training
        if difference := replace(now, settings=seen).find_difference_from(before):
            return difference
    swept = read_origin(trial.record).data
    if swept.content is None or swept.content == data.compute_fingerprint(swept.split).sha256:
        return None
    return f"the images or labels of the split {swept.split!r} changed since its sweep"
