"""What a checkpoint keeps of its training beside Lightning's own: how it goes on, and whether it goes on at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from experiments.checkpoints.form import TRAINING, training_of
from experiments.training.own_checkpoint import drop_foreign_paths
from lightning_modules.callbacks.sparsity import GradualSparsity
from lightning_modules.callbacks.stochastic_weights import StochasticWeights
from user_error import UserError


class Bookkeeping(pl.Callback):
    """Writes down what a training is made of, its length, and whether something ended it.

    That a training is over stands in the same file as its weights, so that no interruption comes between the two.

    Args:
        facts: plain data on the training, kept as they are.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = dict(facts)
        self.steps: int | None = None
        self.steps_before: int | None = None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write it down."""
        checkpoint[TRAINING] = {
            **self.facts,
            "steps": self.steps,
            "should_stop": trainer.should_stop,
            "ended": _why(trainer) if trainer.should_stop and trainer.fit_loop._can_stop_early else None,
        }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with it; what was to stop once it had trained for long enough still is."""
        before = training_of(checkpoint)
        trainer.should_stop = trainer.should_stop or before.get("should_stop") is True
        steps = before.get("steps")
        self.steps_before = steps if isinstance(steps, int) else None
        drop_foreign_paths(checkpoint.get("callbacks"), trainer.callbacks)  # type: ignore[attr-defined]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Hold the length of a training that is resumed against the one that it was to have, before its schedule is restored.

        Raises:
            UserError: they differ, and something depends on it.
        """
        if not trainer.ckpt_path or not _depends_on_length(trainer, pl_module):
            return
        remedy = f"begin a new training from its weights (--start {trainer.ckpt_path})"
        if self.steps_before is not None and self.steps_before != _length(trainer):
            raise UserError(
                f"the training to resume was to make {self.steps_before} steps, and its schedule was made for them; now there "
                f"would be {_length(trainer)}: leave its length as it was, or {remedy}"
            )
        own = Path(trainer.default_root_dir).resolve() in Path(trainer.ckpt_path).resolve().parents
        if self.steps_before is None and not own:
            raise UserError(
                f"{str(trainer.ckpt_path)!r} does not say for how many steps its schedule was made: go on in its run folder, "
                f"or {remedy}"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Learn how long the training is."""
        self.steps = _length(trainer)


def _length(trainer: pl.Trainer) -> int | None:
    steps = trainer.estimated_stepping_batches
    return None if steps == float("inf") else int(steps)


def _depends_on_length(trainer: pl.Trainer, pl_module: pl.LightningModule) -> bool:
    callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]
    return getattr(pl_module, "schedule", None) is not None or any(
        isinstance(one, GradualSparsity | StochasticWeights) for one in callbacks
    )


def _why(trainer: pl.Trainer) -> str:
    callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]
    stopped = [one.monitor for one in callbacks if isinstance(one, EarlyStopping) and one.stopping_reason.value]
    return f"early stopping on {stopped[0]}" if stopped else "a callback"
