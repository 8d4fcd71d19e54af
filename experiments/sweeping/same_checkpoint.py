"""All processes of a sweep must have loaded the same checkpoint."""

import pytorch_lightning as pl

from user_error import UserError


class SameCheckpoint(pl.Callback):
    """Refuses to sweep where a training replaced the checkpoint while the processes started.

    Args:
        sha256: of what this process has loaded.
    """

    def __init__(self, sha256: str) -> None:
        self.sha256 = sha256

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Hold the digest against that of the first process.

        Raises:
            UserError: they differ.
        """
        same = trainer.strategy.broadcast(self.sha256) == self.sha256
        if not trainer.strategy.reduce_boolean_decision(same):
            raise UserError("the checkpoint was replaced while the processes of this sweep started: call again")
