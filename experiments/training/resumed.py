"""A checkpoint from which a training is resumed: its progress, whether it has ended, and whether the settings fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.checkpoints.earlier_checkpoints import CHANGED_DRAWS
from experiments.checkpoints.form import get_training
from experiments.checkpoints.settings import find_differences, to_plain
from experiments.evaluation.recipe import FREE
from user_error import UserError

ENDLESS = 1000
"""Lightning's default number of epochs."""


@dataclass(frozen=True)
class Resumed:
    """A checkpoint of a training in progress.

    Args:
        path: of the file.
        epochs: number of completed epochs.
        step: number of steps of the optimiser.
        settings: of the module, as `save_hyperparameters` stored them.
        training: what `Bookkeeping` stored.
        stopped: whether early stopping ended it, by that callback's state.
        within_epoch: whether it was written in the middle of an epoch.
        changed_draws: the method whose random draws differ in this version; see `checkpoints.earlier_checkpoints`.
    """

    path: Path
    epochs: int
    step: int
    settings: dict[str, Any]
    training: dict[str, Any]
    stopped: bool
    within_epoch: bool
    changed_draws: str | None = None

    def find_end_reason(self, trainer: Mapping[str, Any]) -> str | None:
        """The reason why the training has ended under these settings of the trainer; `None` where it has not."""
        if isinstance(ended := self.training.get("ended"), str):
            return (
                f"ended by {ended if ended.isprintable() else 'something'} after {format_count(self.epochs, 'epoch')}"
            )
        if not self.training and self.stopped and self.epochs >= (trainer.get("min_epochs") or 0):
            return f"ended by early stopping after {format_count(self.epochs, 'epoch')}"
        most, steps = _find_max_epochs(trainer), trainer.get("max_steps", -1)
        if most is not None and self.epochs >= most:
            return f"after {format_count(self.epochs, 'epoch')}"
        return f"after {format_count(self.step, 'step')}" if -1 < steps <= self.step else None

    def describe(self, trainer: Mapping[str, Any]) -> str:
        """The file, and the progress of its training."""
        most = _find_max_epochs(trainer)
        of = "" if most is None else f" of {most}"
        return f"{self.path} after {self.epochs}{of} epochs, step {self.step}"

    def require_complete_epoch(self) -> None:
        """Refuse to resume in the middle of an epoch.

        Raises:
            UserError: the checkpoint was written within an epoch.
        """
        if self.within_epoch:
            raise UserError(
                f"{str(self.path)!r} was written within an epoch, whose images would be seen again: resume a checkpoint of a "
                f"whole epoch, or begin a new training from its weights (--start {self.path})"
            )

    def require_same_model(self, settings: Mapping[str, Any], seed: Any) -> None:
        """Refuse to resume with another module, network, loss, optimiser, schedule or seed.

        Raises:
            UserError: one of them differs.
        """
        before, now = (
            {key: value for key, value in to_plain(one).items() if key != "_instantiator"}
            for one in (self.settings, dict(settings))
        )
        changed = find_differences(before, now, "model.init_args")
        if "seed" in self.training and self.training["seed"] != seed:
            changed.append("seed_everything")
        if changed:
            name = changed[0].replace("init_args._class_path", "class_path")
            raise UserError(
                f"{str(self.path)!r} is the checkpoint of a training with another {name}: resume it with its own settings, or "
                f"begin a new training from its weights (--start {self.path})"
            )

    def describe_changes(self, settings: Mapping[str, Any]) -> str:
        """Other settings that differ from those of the checkpoint, as the end of a sentence."""
        before = self.training.get("settings")
        known = before if isinstance(before, dict) else {}
        changed = [
            key
            for part in known
            for key in find_differences(known[part], to_plain(settings.get(part)), part)
            if key not in FREE
        ]
        return f"; unlike before: {', '.join(changed)}" if changed else ""


def read_resumed(path: Path) -> Resumed:
    """Read the progress and description of a training from its checkpoint.

    Raises:
        UserError: see `read_checkpoint`; or it holds weights alone, or no progress.
    """
    content = read_checkpoint(path)
    fit = _get_entry(content, "loops", "fit_loop")
    if not isinstance(fit, dict) or "optimizer_states" not in content:
        raise UserError(
            f"{str(path)!r} holds weights, and no training to resume: begin a new one from them (--start {path})"
        )
    epochs = _get_entry(fit, "epoch_progress", "current", "processed")
    step = content.get("global_step")
    if not isinstance(epochs, int) or not isinstance(step, int):
        raise UserError(f"{str(path)!r} does not say how far its training was: pass the file that 'fit' wrote")
    within = _get_entry(fit, "epoch_loop.batch_progress", "is_last_batch") is False
    states = content.get("callbacks")
    stopped = [_get_entry(one, "stopping_reason") for one in states.values()] if isinstance(states, dict) else []
    return Resumed(
        path,
        epochs,
        step,
        content["hyper_parameters"],
        get_training(content),
        any(stopped),
        within,
        content.get(CHANGED_DRAWS),
    )


def describe_recipe(settings: Mapping[str, Any]) -> str:
    """The components of a training by their class names, and its seed."""
    model = _get_entry(settings, "model", "init_args") or {}
    named = [
        f"{_find_class_name(model[key])} as {key}"
        for key in ("network", "loss", "optimizer", "schedule")
        if model.get(key)
    ]
    return f"{', '.join(named)}, seed {settings.get('seed_everything')}"


def _find_class_name(component: Any) -> str:
    return str(_get_entry(component, "class_path") or component).rsplit(".", 1)[-1]


def format_count(number: int, what: str) -> str:
    """A number with its noun, in the plural unless it is 1."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _find_max_epochs(trainer: Mapping[str, Any]) -> int | None:
    most = trainer.get("max_epochs")
    if most is None and trainer.get("max_steps", -1) == -1 and not _has_clock(trainer):
        return ENDLESS
    return None if most in (None, -1) else most


def _has_clock(trainer: Mapping[str, Any]) -> bool:
    callbacks = trainer.get("callbacks") or []
    paths = [_get_entry(one, "class_path") for one in (callbacks if isinstance(callbacks, list) else [callbacks])]
    return trainer.get("max_time") is not None or any(str(path).endswith(".Timer") for path in paths)


def _get_entry(content: Any, *keys: str) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content
