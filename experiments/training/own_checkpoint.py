"""The checkpoints that every training writes, and which files the callbacks of a resumed one may touch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import Callback, ModelCheckpoint

ONE_PATH = ("best_model_path", "kth_best_model_path", "last_model_path")
"""Entries of the state of a `ModelCheckpoint` that name one file each."""


class OwnCheckpoint(ModelCheckpoint):
    """One of `fit` itself: its state is told by its name from that of any that a user adds.

    Of the state in a checkpoint it takes the score alone. The file is that of its own run folder, wherever that lies now;
    where there is none, any score is the best so far.

    Args:
        goes_on: whether it is the same folder's training that goes on.
        **settings: of `ModelCheckpoint`.
    """

    def __init__(self, goes_on: bool, **settings: Any) -> None:
        super().__init__(enable_version_counter=False, **settings)
        self.goes_on = goes_on

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the best score."""
        if not self.goes_on or self.monitor is None:
            return
        path = self.format_checkpoint_name({})
        scores = list(state_dict["best_k_models"].values())
        if scores and Path(path).exists():
            self.best_k_models = {path: scores[0]}
            self.best_model_path = self.kth_best_model_path = path
            self.best_model_score = self.kth_value = scores[0]


def drop_foreign_paths(states: Any, callbacks: list[Callback]) -> None:
    """Forget files that a callback's state names outside of that callback's own folder: it deletes what it names.

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
        if isinstance(kept := state.get("best_k_models"), dict):
            state["best_k_models"] = {path: score for path, score in kept.items() if _is_inside(path, folder)}


def _is_inside(path: Any, folder: Path) -> bool:
    return isinstance(path, str) and folder in Path(path).resolve().parents
