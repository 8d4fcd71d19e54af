"""Stochastic weight averaging."""

import pytorch_lightning as pl

from lightning_modules.callbacks.averaging import Averaging
from lightning_modules.schedules import count_training_steps
from user_error import UserError


class StochasticWeights(Averaging):
    """Averages the weights of the last part of a training; the average is validated and saved.

    Stochastic weight averaging (Izmailov et al., UAI 2018), at every step as in SWAD (Cha et al., NeurIPS 2021); the
    statistics of batch normalisation are averaged with them. The exponential moving average is Lightning's
    `EMAWeightAveraging`. Until the average begins, the current weights are validated and saved.

    Args:
        start: fraction of the training's steps after which the average begins.
        every: steps between two updates of the average.

    Raises:
        UserError: `start` or `every` is out of range.
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

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Determine the first step of the average."""
        self.first = int(self.start * count_training_steps(trainer))

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Whether the weights after a step enter the average."""
        return step_idx is not None and step_idx >= self.first and (step_idx - self.first) % self.every == 0
