"""Entries that this project adds to a training's checkpoints: its settings, its length, and whether it has ended."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from experiments.checkpoints.form import TRAINING, get_training
from experiments.training.own_checkpoint import drop_foreign_paths
from lightning_modules.callbacks.sparsity import GradualSparsity
from lightning_modules.callbacks.stochastic_weights import StochasticWeights
from user_error import UserError


class Bookkeeping(pl.Callback):
    """Stores a description of the training, its length, and why it ended, in its checkpoints.

    The end of a training is stored in the same file as its weights, so that no interruption can separate the two.

    Args:
        facts: plain data that describe the training, stored unchanged.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = dict(facts)
        self.steps: int | None = None
        self.steps_before: int | None = None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the description to the checkpoint."""
        checkpoint[TRAINING] = {
            **self.facts,
            "steps": self.steps,
            "should_stop": trainer.should_stop,
            "ended": _describe_end(trainer) if trainer.should_stop and trainer.fit_loop._can_stop_early else None,
        }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore whether the training is to stop as soon as it has trained for its minimum length."""
        before = get_training(checkpoint)
        trainer.should_stop = trainer.should_stop or before.get("should_stop") is True
        steps = before.get("steps")
        self.steps_before = steps if isinstance(steps, int) else None
        drop_foreign_paths(checkpoint.get("callbacks"), trainer.callbacks)  # type: ignore[attr-defined]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare the length of a resumed training with its original length, before the schedule is restored.

        Raises:
            UserError: they differ, and a schedule or callback depends on the length.
        """
        if not trainer.ckpt_path or not _is_length_dependent(trainer, pl_module):
            return
        remedy = f"begin a new training from its weights (--start {trainer.ckpt_path})"
        if self.steps_before is not None and self.steps_before != _count_steps(trainer):
            raise UserError(
                f"the training to resume was to make {self.steps_before} steps, and its schedule was made for them; now there "
                f"would be {_count_steps(trainer)}: leave its length as it was, or {remedy}"
            )
        own = Path(trainer.default_root_dir).resolve() in Path(trainer.ckpt_path).resolve().parents
        if self.steps_before is None and not own:
            raise UserError(
                f"{str(trainer.ckpt_path)!r} does not say for how many steps its schedule was made: go on in its run folder, "
                f"or {remedy}"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Store how many steps the training takes."""
        self.steps = _count_steps(trainer)


def _count_steps(trainer: pl.Trainer) -> int | None:
    steps = trainer.estimated_stepping_batches
    return None if steps == float("inf") else int(steps)


def _is_length_dependent(trainer: pl.Trainer, pl_module: pl.LightningModule) -> bool:
    callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]
    return getattr(pl_module, "schedule", None) is not None or any(
        isinstance(one, GradualSparsity | StochasticWeights) for one in callbacks
    )


def _describe_end(trainer: pl.Trainer) -> str:
    callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]
    stopped = [one.monitor for one in callbacks if isinstance(one, EarlyStopping) and one.stopping_reason.value]
    return f"early stopping on {stopped[0]}" if stopped else "a callback"
