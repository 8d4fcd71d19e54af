"""The mean of the weights that a training passes through."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import WeightAveraging

from lightning_modules.schedules import training_steps
from user_error import UserError


class StochasticWeights(WeightAveraging):
    """Averages the weights of the last part of a training; the average is what is validated and saved.

    Stochastic weight averaging (Izmailov et al., UAI 2018), at every step as in SWAD (Cha et al., NeurIPS 2021); the
    statistics of batch normalisation are averaged with them. Lightning's `EMAWeightAveraging` is its other form, which
    forgets. Until the average begins, the training's own weights are validated and saved.

    Args:
        start: share of the training's steps after which the average begins.
        every: steps between two weights that enter it.

    Raises:
        UserError: no such share or number of steps.
    """

    def __init__(self, start: float = 0.75, every: int = 1) -> None:
        if not 0 <= start < 1 or every < 1:
            raise UserError(
                f"averaging from {start} of the training on, every {every} steps: give a share in [0, 1), and at least 1 step"
            )
        super().__init__()
        self.start = start
        self.every = every
        self.first = 0

    @property
    def begun(self) -> bool:
        """Whether any weights have entered the average."""
        return self._average_model is not None and bool(self._average_model.n_averaged)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Learn how long the training is."""
        self.first = int(self.start * training_steps(trainer))

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Whether the weights after a step enter the average."""
        return step_idx is not None and step_idx >= self.first and (step_idx - self.first) % self.every == 0

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate the average, where there is one."""
        if self.begun:
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on with the training's own weights."""
        if self.begun:
            super().on_validation_epoch_end(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the module with the average, where there is one: an early end may come before it begins."""
        if self.begun:
            super().on_train_end(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average, where there is one, with the training's own weights beside it."""
        if self.begun:
            super().on_save_checkpoint(trainer, pl_module, checkpoint)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with both."""
        if "averaging_state" in checkpoint:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)
