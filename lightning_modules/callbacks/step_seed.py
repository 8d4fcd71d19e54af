"""A training that was interrupted draws what it would have drawn."""

from typing import Any

import pytorch_lightning as pl
import torch

from lightning_modules.draws import compute_step_seed


class StepSeed(pl.Callback):
    """Seed PyTorch anew at each step from (seed, step, process).

    Dropout and its kin then draw the same numbers whether training ran through or was resumed.
    """

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the step that begins."""
        torch.manual_seed(compute_step_seed(trainer))
