"""The folder of a training: one call of `fit` at a time, one training, and what may go on in it."""

import shutil
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from experiments.checkpoints.settings import differences, read_settings
from experiments.evaluation.earlier_settings import find_other_draws, translate_recipe
from experiments.evaluation.recipe import FREE, data_folder
from experiments.files.digest import compute_sha256
from experiments.files.lock import hold_lock
from experiments.training.resumed import Resumed, read_resumed
from user_error import UserError

RESUMABLE = ("model", "data", "seed_everything", "trainer")
"""What must not change when a training is resumed."""

ANY_TIME = ("trainer.max_time",)
"""What may change beside `FREE`: how long one call may take."""

RESTORE = "restore the file that 'fit' wrote, pass another --run, or --restart to begin anew"

LENGTH = ("trainer.max_epochs", "trainer.max_steps")

OWN_FILES = ("last.ckpt", "best.ckpt", "snapshot-*.ckpt", "config.yaml", "wandb_id.txt", "record-*")
"""Of a training, and the records of what it trained, finished or not, with their pictures: of the next one they would lie.

What ``training.json`` says of the files of the data stays true."""


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
        """Held from the first look at the folder to the last file that is written.

        Raises:
            UserError: another call trains here.
        """
        return hold_lock(self.path / "fit.lock", f"a training is running in {self.path}")

    def find_resumed(self, chosen: str | None, settings: Mapping[str, Any]) -> Resumed | None:
        """What a training by `settings` goes on from; `None` where it begins.

        Args:
            chosen: ``--ckpt_path``.
            settings: resolved, as ``config.yaml`` holds them.

        Raises:
            UserError: the folder holds another training, or the checkpoint none that can go on.
        """
        if self.last.exists() or self.best.exists():
            self._require_same_settings(settings)
        if not self.last.exists():
            return None if chosen is None else read_resumed(Path(chosen))
        if chosen is None or self.holds(Path(chosen)):
            return read_resumed(self.last if chosen is None else Path(chosen))
        found, origin = read_resumed(self.last), read_resumed(Path(chosen))
        if found.training.get("resumed_from") != compute_sha256(origin.path):
            raise UserError(
                f"{self.path} holds a training that did not go on from {chosen!r}: pass another --run to keep both, or "
                "--restart to begin anew"
            )
        return found

    @property
    def drew_otherwise(self) -> str | None:
        """What the training here drew in another way than this version would, by its settings."""
        return find_other_draws(read_settings(self.last, RESTORE) or {})

    def origin_of(self, resumed: Resumed | None) -> str | None:
        """The digest of the checkpoint of another folder that the training here once went on from."""
        if resumed is None:
            return None
        return resumed.training.get("resumed_from") if self.holds(resumed.path) else compute_sha256(resumed.path)

    def holds(self, path: Path) -> bool:
        """Whether a file lies in the folder."""
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
        """Refuse to remove what a training is to begin from.

        Raises:
            UserError: one of `files` would go with the training that is here.
        """
        own = {path.resolve() for path in self._own_files()}
        for file in files:
            if not own.isdisjoint({file.resolve(), *file.resolve().parents}):
                raise UserError(
                    f"--restart would remove {str(file)!r}, which the training is to begin from: pass another --run"
                )

    def clear(self) -> None:
        """Remove the training, and the records of what it trained."""
        for path in self._own_files():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _own_files(self) -> list[Path]:
        return [path for pattern in OWN_FILES for path in self.path.glob(pattern)]


def find_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Dotted names of the settings that keep a training from going on."""
    one, other = _without_clocks(before), _without_clocks(now)
    changed = [
        key
        for section in RESUMABLE
        for key in differences(one.get(section), other.get(section), section)
        if key not in FREE + ANY_TIME
    ]
    if data_folder(before.get("data")) != data_folder(now.get("data")):  # it may lie elsewhere, under the same name
        changed.append("data.init_args.root")
    return changed


def _without_clocks(settings: Any) -> Any:
    """Settings whose timers may go for any time; a `Timer` says no more than when to stop."""
    if isinstance(settings, list):
        return [_without_clocks(value) for value in settings]
    if not isinstance(settings, Mapping):
        return settings
    if str(settings.get("class_path", "")).endswith(".Timer"):
        return {"class_path": settings["class_path"]}
    return {key: _without_clocks(value) for key, value in settings.items()}
