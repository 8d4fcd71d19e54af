"""An end by the clock, after which a training goes on as if there had been none."""

from datetime import timedelta
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, Timer


class TimeIsUp(Exception):
    """The time of this call is up: the training goes on from its last whole epoch."""


class TimeLimit(Timer):
    """Ends a call of `fit` when its time is up, and leaves nothing of the epoch that was begun.

    Lightning's own timer ends an epoch before its time, validates and saves within it, and counts the time of all calls
    together. Here each call has the whole time, and ends between two steps by `TimeIsUp`.
    """

    @property
    def state_key(self) -> str:
        """That of Lightning's."""
        return Timer.__qualname__

    def on_fit_start(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """There is time."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the clock before an epoch: all that came before is saved."""
        self._check_time_remaining(trainer)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Look at the clock before a step."""
        if self._interval == "step":
            self._check_time_remaining(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """After the last step of an epoch its validation is to come."""

    def on_train_epoch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """The checkpoint is to be written."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the next call has its own time."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing, from a timer of Lightning's either."""

    def _check_time_remaining(self, trainer: pl.Trainer) -> None:
        up = trainer.strategy.broadcast(self.time_elapsed() >= (self._duration or 0.0))
        if up and trainer.fit_loop._can_stop_early:  # what min_epochs and min_steps ask for comes first
            raise TimeIsUp


def limit_time(callbacks: list[Callback], max_time: str | timedelta | dict[str, int] | None) -> list[Callback]:
    """The callbacks, with a `TimeLimit` for `max_time` and in place of each timer of Lightning's that has a duration."""
    limited = [_as_limit(one) if isinstance(one, Timer) and one._duration is not None else one for one in callbacks]
    return limited if max_time is None else [*limited, TimeLimit(max_time)]


def _as_limit(timer: Timer) -> TimeLimit:
    limit = TimeLimit(interval=timer._interval)
    limit._duration = timer._duration
    return limit
