"""Snapshots of a network at the end of each cycle of its learning rate."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from lightning_modules.schedules import count_training_steps
from user_error import UserError


class Snapshots(pl.Callback):
    """Writes ``snapshot-1.ckpt``, ``snapshot-2.ckpt``, ... into the run folder: members of an ensemble, or of a soup.

    Huang et al., "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017. The schedule must have cycles
    (`CosineRestarts`); the snapshots hold the weights alone.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.total = 0
        self.written = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Determine the length of a cycle.

        Raises:
            UserError: the schedule has no cycles.
        """
        schedule: Any = getattr(pl_module, "schedule", None)
        if not hasattr(schedule, "count_cycle_steps"):
            raise UserError(
                "snapshots are taken at the end of cycles, which this schedule has not: pass "
                "--model.init_args.schedule experiments/configs/schedule/cosine_restarts.yaml"
            )
        self.total = count_training_steps(trainer)
        self.steps = schedule.count_cycle_steps(self.total)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write a snapshot at the end of a cycle; batches whose gradients are accumulated make no step."""
        step = trainer.global_step
        if step > self.written and (step % self.steps == 0 or step == self.total):
            self.written = step
            path = Path(trainer.default_root_dir) / f"snapshot-{-(-step // self.steps)}.ckpt"
            trainer.save_checkpoint(path, weights_only=True)
