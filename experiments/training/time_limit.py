"""A time limit for one call of `fit`, after which the training can be resumed."""

from datetime import timedelta
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, Timer


class TimeIsUp(Exception):
    """The time of this call is up: the next one resumes from the last complete epoch."""


class TimeLimit(Timer):
    """Ends a call of `fit` when its time is up, and discards the epoch in progress.

    Lightning's own timer ends an epoch early, validates and saves within it, and counts the time of all calls together. Here
    each call has the full time, and ends between two steps by `TimeIsUp`.
    """

    @property
    def state_key(self) -> str:
        """The key of Lightning's timer."""
        return Timer.__qualname__

    def on_fit_start(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the time is checked before each epoch."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check the time before an epoch, when all previous epochs are saved."""
        self._check_time_remaining(trainer)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Check the time before a step."""
        if self._interval == "step":
            self._check_time_remaining(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """Do nothing: after the last step of an epoch, its validation follows."""

    def on_train_epoch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the checkpoint is to be written."""

    def state_dict(self) -> dict[str, Any]:
        """No state: the next call has its own time."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Ignore the state, also that of Lightning's timer."""

    def _check_time_remaining(self, trainer: pl.Trainer) -> None:
        up = trainer.strategy.broadcast(self.time_elapsed() >= (self._duration or 0.0))
        if up and trainer.fit_loop._can_stop_early:  # min_epochs and min_steps have priority
            raise TimeIsUp


def limit_time(callbacks: list[Callback], max_time: str | timedelta | dict[str, int] | None) -> list[Callback]:
    """Add a `TimeLimit` for `max_time`, and replace each timer of Lightning that has a duration by one."""
    limited = [_as_limit(one) if isinstance(one, Timer) and one._duration is not None else one for one in callbacks]
    return limited if max_time is None else [*limited, TimeLimit(max_time)]


def _as_limit(timer: Timer) -> TimeLimit:
    limit = TimeLimit(interval=timer._interval)
    limit._duration = timer._duration
    return limit
