"""A training that was interrupted draws what it would have drawn."""

import os
from typing import Any

import pytorch_lightning as pl
import torch


class StepSeed(pl.Callback):
    """Seed PyTorch anew at each step from (seed, step, process).

    Dropout and its kin then draw the same numbers whether training ran through or was resumed.
    """

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the step that begins."""
        seed = int(os.environ.get("PL_GLOBAL_SEED", 0))
        step = trainer.fit_loop.total_batch_idx
        torch.manual_seed((seed * 1_000_003 + step) * 4096 + trainer.global_rank)
