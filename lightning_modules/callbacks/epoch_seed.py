"""A training that was interrupted draws what it would have drawn."""

import os

import pytorch_lightning as pl
import torch


class EpochSeed(pl.Callback):
    """Seed PyTorch anew at each epoch from (seed, epoch, process).

    Dropout and its kin then draw the same numbers whether training ran through or was resumed at an epoch.
    """

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seed the epoch that begins."""
        seed = int(os.environ.get("PL_GLOBAL_SEED", 0))
        torch.manual_seed((seed * 1_000_003 + trainer.current_epoch) * 4096 + trainer.global_rank)
