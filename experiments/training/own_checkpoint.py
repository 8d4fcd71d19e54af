"""The checkpoints that every training writes, and the files that callbacks of a resumed one may delete."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import Callback, ModelCheckpoint

ONE_PATH = ("best_model_path", "kth_best_model_path", "last_model_path")
"""Entries of the state of a `ModelCheckpoint` that name one file each."""


class OwnCheckpoint(ModelCheckpoint):
    """A checkpoint callback of `fit`; its class name distinguishes its state from that of callbacks that a user adds.

    From the state in a checkpoint it restores the best score alone. The file is that of its own run folder, even if that has
    been moved; where there is no file, the next score is the best.

    Args:
        goes_on: whether the training of the same folder is resumed.
        **settings: of `ModelCheckpoint`.
    """

    def __init__(self, goes_on: bool, **settings: Any) -> None:
        super().__init__(enable_version_counter=False, **settings)
        self.goes_on = goes_on

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score."""
        if not self.goes_on or self.monitor is None:
            return
        path = self.format_checkpoint_name({})
        scores = list(state_dict["best_k_models"].values())
        if scores and Path(path).exists():
            self.best_k_models = {path: scores[0]}
            self.best_model_path = self.kth_best_model_path = path
            self.best_model_score = self.kth_value = scores[0]


def drop_foreign_paths(states: Any, callbacks: list[Callback]) -> None:
    """Drop paths outside of a callback's own folder from its state, since the callback deletes files that its state names.

    Args:
        states: of callbacks, by their keys, as a checkpoint holds them; they are changed in place.
        callbacks: those that the states are for.
    """
    for callback in callbacks:
        state = states.get(callback.state_key) if isinstance(states, Mapping) else None
        takes_paths = isinstance(callback, ModelCheckpoint) and not isinstance(callback, OwnCheckpoint)
        if not takes_paths or not isinstance(state, dict):
            continue
        folder = Path(callback.dirpath or "").resolve()  # type: ignore[attr-defined]
        for key in ONE_PATH:
            if key in state and not _is_inside(state[key], folder):
                state[key] = ""
        if isinstance(saved := state.get("best_k_models"), dict):
            state["best_k_models"] = {path: score for path, score in saved.items() if _is_inside(path, folder)}


def _is_inside(path: Any, folder: Path) -> bool:
    return isinstance(path, str) and folder in Path(path).resolve().parents
