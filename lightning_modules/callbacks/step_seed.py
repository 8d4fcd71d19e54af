"""Seeding of each training step, so that a resumed training makes the same random draws."""

from typing import Any

import pytorch_lightning as pl
import torch

from lightning_modules.draws import compute_step_seed


class StepSeed(pl.Callback):
    """Seed PyTorch anew at each step from (seed, step, process).

    Dropout and similar layers then draw the same numbers whether or not training was resumed.
    """

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the step that begins."""
        torch.manual_seed(compute_step_seed(trainer))
