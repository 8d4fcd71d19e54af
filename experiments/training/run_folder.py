"""The folder of one training, which one call of `fit` at a time may use, and the checks before it is resumed."""

import shutil
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from experiments.checkpoints.settings import find_differences, read_settings
from experiments.evaluation.earlier_settings import find_other_draws, translate_recipe
from experiments.evaluation.recipe import FREE, find_data_folder
from experiments.files.digest import compute_sha256
from experiments.files.lock import hold_lock
from experiments.training.resumed import Resumed, read_resumed
from user_error import UserError

RESUMABLE = ("model", "data", "seed_everything", "trainer")
"""Sections of the settings that must not change when a training is resumed."""

ANY_TIME = ("trainer.max_time",)
"""Settings that may change besides `FREE`: the time limit of one call."""

RESTORE = "restore the file that 'fit' wrote, pass another --run, or --restart to begin anew"

LENGTH = ("trainer.max_epochs", "trainer.max_steps")

OWN_FILES = ("last.ckpt", "best.ckpt", "snapshot-*.ckpt", "config.yaml", "wandb_id.txt", "record-*")
"""Files of a training and of the records of its network, finished or not, which would be wrong for the next training.

``training.json``, the fingerprints of the data, stays valid."""


class RunFolder:
    """A folder and the training in it.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best = path / "best.ckpt"
        self.last = path / "last.ckpt"
        self.settings = path / "config.yaml"
        self.content = path / "training.json"

    def lock(self) -> AbstractContextManager[int]:
        """The lock of the folder, held from the first check of the folder to the last file that is written.

        Raises:
            UserError: another call trains here.
        """
        return hold_lock(self.path / "fit.lock", f"a training is running in {self.path}")

    def find_resumed(self, chosen: str | None, settings: Mapping[str, Any]) -> Resumed | None:
        """Find the checkpoint from which a training by `settings` is resumed; `None` for a new training.

        Args:
            chosen: ``--ckpt_path``.
            settings: resolved, as ``config.yaml`` holds them.

        Raises:
            UserError: the folder holds another training, or the checkpoint cannot be resumed.
        """
        if self.last.exists() or self.best.exists():
            self._require_same_settings(settings)
        if not self.last.exists():
            return None if chosen is None else read_resumed(Path(chosen))
        if chosen is None or self.has_file(Path(chosen)):
            return read_resumed(self.last if chosen is None else Path(chosen))
        found, origin = read_resumed(self.last), read_resumed(Path(chosen))
        if found.training.get("resumed_from") != compute_sha256(origin.path):
            raise UserError(
                f"{self.path} holds a training that did not go on from {chosen!r}: pass another --run to keep both, or "
                "--restart to begin anew"
            )
        return found

    @property
    def changed_draws(self) -> str | None:
        """The method whose random draws differ in this version, by the settings of the training in the folder."""
        return find_other_draws(read_settings(self.last, RESTORE) or {})

    def find_origin(self, resumed: Resumed | None) -> str | None:
        """The digest of the checkpoint of another folder from which the training in this one was first resumed."""
        if resumed is None:
            return None
        return resumed.training.get("resumed_from") if self.has_file(resumed.path) else compute_sha256(resumed.path)

    def has_file(self, path: Path) -> bool:
        """Whether a path is inside the folder."""
        return self.path.resolve() in path.resolve().parents

    def _require_same_settings(self, now: Mapping[str, Any]) -> None:
        before = read_settings(self.last, RESTORE)
        if before is None:
            raise UserError(
                f"{self.path} holds a checkpoint without the config.yaml of its training, so that its seed and settings are "
                f"unknown: {RESTORE}"
            )
        changed = find_changes(translate_recipe(before), now)
        if changed and set(changed) <= set(LENGTH):
            raise UserError(
                f"{self.path} holds a training with another {changed[0]}, for which its schedule was made: to train its network "
                f"for longer, begin from its weights (the same command with --start {self.last} --run {self.path}_longer and "
                f"the further --{changed[0]}), or pass --restart to begin anew"
            )
        if changed:
            raise UserError(
                f"{self.path} holds a training with another {changed[0]}: pass another --run to keep both, or --restart "
                "to begin anew"
            )

    def require_outside(self, files: Iterable[Path]) -> None:
        """Refuse to remove files from which a new training is to start.

        Raises:
            UserError: one of `files` belongs to the training in the folder.
        """
        own = {path.resolve() for path in self._list_own_files()}
        for file in files:
            if not own.isdisjoint({file.resolve(), *file.resolve().parents}):
                raise UserError(
                    f"--restart would remove {str(file)!r}, which the training is to begin from: pass another --run"
                )

    def clear(self) -> None:
        """Remove the training, and the records of its network."""
        for path in self._list_own_files():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _list_own_files(self) -> list[Path]:
        return [path for pattern in OWN_FILES for path in self.path.glob(pattern)]


def find_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Dotted keys of changed settings that prevent resuming."""
    one, other = _drop_timer_settings(before), _drop_timer_settings(now)
    changed = [
        key
        for section in RESUMABLE
        for key in find_differences(one.get(section), other.get(section), section)
        if key not in FREE + ANY_TIME
    ]
    if find_data_folder(before.get("data")) != find_data_folder(
        now.get("data")
    ):  # it may be moved if it keeps its name
        changed.append("data.init_args.root")
    return changed


def _drop_timer_settings(settings: Any) -> Any:
    """Settings without those of timers, which only limit the time of a call."""
    if isinstance(settings, list):
        return [_drop_timer_settings(value) for value in settings]
    if not isinstance(settings, Mapping):
        return settings
    if str(settings.get("class_path", "")).endswith(".Timer"):
        return {"class_path": settings["class_path"]}
    return {key: _drop_timer_settings(value) for key, value in settings.items()}
