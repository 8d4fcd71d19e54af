"""A fixed effective batch size, for any number of processes."""

from typing import Any

import pytorch_lightning as pl

from user_error import UserError


class EffectiveBatch(pl.Callback):
    """Accumulates gradients until each step has `size` images: batch size x processes x batches.

    A training thus runs on other machines with the same learning rate. Batch normalisation still uses the batches of one
    process (with `--trainer.sync_batchnorm true` those of all processes). If the batches of an epoch do not divide evenly,
    its last step has fewer of them, and a proportionally smaller gradient.

    Args:
        size: number of images for each step of the optimiser.
        chosen_for: effective batch size for which the learning rate was chosen; the rate is scaled to `size` linearly
            (Goyal et al., "Accurate, Large Minibatch SGD", 2017). It is not scaled if null.

    Raises:
        UserError: a size below 1.
    """

    def __init__(self, size: int, chosen_for: int | None = None) -> None:
        if size < 1 or (chosen_for is not None and chosen_for < 1):
            raise UserError(f"an effective batch of {size}, with a rate chosen for {chosen_for}: give 1 or more")
        self.size = size
        self.chosen_for = chosen_for

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Set the number of accumulated batches, before optimiser and schedule are made.

        Raises:
            UserError: no number of batches gives the size.
        """
        if stage != "fit":
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        together = data.batch_size * trainer.world_size
        if self.size % together:
            raise UserError(
                f"an effective batch of {self.size} is not a multiple of {data.batch_size} images on {trainer.world_size} "
                f"processes: set data.init_args.batch_size to a divisor of {self.size / trainer.world_size:g}"
            )
        trainer.accumulate_grad_batches = self.size // together
        if self.chosen_for is not None:
            module: Any = pl_module
            module.lr_scale = self.size / self.chosen_for
