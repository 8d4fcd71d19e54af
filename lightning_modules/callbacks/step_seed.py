"""A training that was interrupted draws what it would have drawn."""

import os
from typing import Any

import pytorch_lightning as pl
import torch


def step_seed(trainer: pl.Trainer) -> int:
    """A number of its own for each seed, step and process of a training."""
    seed = int(os.environ.get("PL_GLOBAL_SEED", 0))
    return (seed * 1_000_003 + trainer.fit_loop.total_batch_idx) * 4096 + trainer.global_rank


class StepSeed(pl.Callback):
    """Seed PyTorch anew at each step from (seed, step, process).

    Dropout and its kin then draw the same numbers whether training ran through or was resumed.
    """

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the step that begins."""
        torch.manual_seed(step_seed(trainer))
