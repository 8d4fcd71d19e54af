"""A checkpoint that a training goes on from: what it is, whether it is over, and whether it is this training's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.checkpoints.earlier_checkpoints import DREW_OTHERWISE
from experiments.checkpoints.form import training_of
from experiments.checkpoints.settings import differences, plain
from experiments.evaluation.recipe import FREE
from user_error import UserError

ENDLESS = 1000
"""Epochs of a training whose end nobody set: Lightning's."""


@dataclass(frozen=True)
class Resumed:
    """A checkpoint of a training in progress.

    Args:
        path: of the file.
        epochs: that are done.
        step: of the optimiser.
        settings: of the module, as `save_hyperparameters` left them.
        training: what `Bookkeeping` wrote down.
        stopped: whether early stopping ended it, as far as its own state says.
        within: whether it lies within an epoch.
        drew_otherwise: what it drew in another way than this version would; see `checkpoints.earlier_checkpoints`.
    """

    path: Path
    epochs: int
    step: int
    settings: dict[str, Any]
    training: dict[str, Any]
    stopped: bool
    within: bool
    drew_otherwise: str | None = None

    def why_over(self, trainer: Mapping[str, Any]) -> str | None:
        """Why nothing is left to train under these settings of the trainer; `None` where something is."""
        if isinstance(ended := self.training.get("ended"), str):
            return f"ended by {ended if ended.isprintable() else 'something'} after {count(self.epochs, 'epoch')}"
        if not self.training and self.stopped and self.epochs >= (trainer.get("min_epochs") or 0):
            return f"ended by early stopping after {count(self.epochs, 'epoch')}"
        most, steps = _most_epochs(trainer), trainer.get("max_steps", -1)
        if most is not None and self.epochs >= most:
            return f"after {count(self.epochs, 'epoch')}"
        return f"after {count(self.step, 'step')}" if -1 < steps <= self.step else None

    def describe(self, trainer: Mapping[str, Any]) -> str:
        """The file, and how far its training is."""
        most = _most_epochs(trainer)
        of = "" if most is None else f" of {most}"
        return f"{self.path} after {self.epochs}{of} epochs, step {self.step}"

    def require_whole_epoch(self) -> None:
        """Refuse to go on in the middle of an epoch.

        Raises:
            UserError: the checkpoint was written there.
        """
        if self.within:
            raise UserError(
                f"{str(self.path)!r} was written within an epoch, whose images would be seen again: resume a checkpoint of a "
                f"whole epoch, or begin a new training from its weights (--start {self.path})"
            )

    def require_same_model(self, settings: Mapping[str, Any], seed: Any) -> None:
        """Refuse to go on with another module, network, loss, optimiser, schedule or seed.

        Raises:
            UserError: one of them is another, by name.
        """
        before, now = (
            {key: value for key, value in plain(one).items() if key != "_instantiator"}
            for one in (self.settings, dict(settings))
        )
        changed = differences(before, now, "model.init_args")
        if "seed" in self.training and self.training["seed"] != seed:
            changed.append("seed_everything")
        if changed:
            name = changed[0].replace("init_args._class_path", "class_path")
            raise UserError(
                f"{str(self.path)!r} is the checkpoint of a training with another {name}: resume it with its own settings, or "
                f"begin a new training from its weights (--start {self.path})"
            )

    def describe_changes(self, settings: Mapping[str, Any]) -> str:
        """What else is set in another way than when the checkpoint was written, as the end of a sentence."""
        before = self.training.get("settings")
        known = before if isinstance(before, dict) else {}
        changed = [
            key
            for part in known
            for key in differences(known[part], plain(settings.get(part)), part)
            if key not in FREE
        ]
        return f"; unlike before: {', '.join(changed)}" if changed else ""


def read_resumed(path: Path) -> Resumed:
    """What a checkpoint says of its training.

    Raises:
        UserError: see `read_checkpoint`; or it holds weights alone, or does not say how far it is.
    """
    content = read_checkpoint(path)
    fit = _entry(content, "loops", "fit_loop")
    if not isinstance(fit, dict) or "optimizer_states" not in content:
        raise UserError(
            f"{str(path)!r} holds weights, and no training to resume: begin a new one from them (--start {path})"
        )
    epochs = _entry(fit, "epoch_progress", "current", "processed")
    step = content.get("global_step")
    if not isinstance(epochs, int) or not isinstance(step, int):
        raise UserError(f"{str(path)!r} does not say how far its training was: pass the file that 'fit' wrote")
    within = _entry(fit, "epoch_loop.batch_progress", "is_last_batch") is False
    states = content.get("callbacks")
    stopped = [_entry(one, "stopping_reason") for one in states.values()] if isinstance(states, dict) else []
    return Resumed(
        path,
        epochs,
        step,
        content["hyper_parameters"],
        training_of(content),
        any(stopped),
        within,
        content.get(DREW_OTHERWISE),
    )


def describe_recipe(settings: Mapping[str, Any]) -> str:
    """The components of a training in a few words, and its seed."""
    model = _entry(settings, "model", "init_args") or {}
    named = [f"{_last(model[key])} as {key}" for key in ("network", "loss", "optimizer", "schedule") if model.get(key)]
    return f"{', '.join(named)}, seed {settings.get('seed_everything')}"


def _last(component: Any) -> str:
    return str(_entry(component, "class_path") or component).rsplit(".", 1)[-1]


def count(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _most_epochs(trainer: Mapping[str, Any]) -> int | None:
    most = trainer.get("max_epochs")
    if most is None and trainer.get("max_steps", -1) == -1 and not _has_clock(trainer):
        return ENDLESS
    return None if most in (None, -1) else most


def _has_clock(trainer: Mapping[str, Any]) -> bool:
    callbacks = trainer.get("callbacks") or []
    paths = [_entry(one, "class_path") for one in (callbacks if isinstance(callbacks, list) else [callbacks])]
    return trainer.get("max_time") is not None or any(str(path).endswith(".Timer") for path in paths)


def _entry(content: Any, *keys: str) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content
