"""Averages of the weights during training."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, WeightAveraging
from torch import nn
from torch.optim.swa_utils import AveragedModel


class Averaging(WeightAveraging):
    """Lightning's `WeightAveraging`, which is used only after any weights have entered the average.

    Until then the current weights are validated and saved; Lightning would validate and save the network as it was before
    its first step, and before pretrained weights were loaded. Only parameters and buffers are copied, since the module
    itself refers to the trainer and its processes.
    """

    @property
    def begun(self) -> bool:
        """Whether any weights have entered the average."""
        return self._average_model is not None and bool(self._average_model.n_averaged)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Allocate the average when a training begins."""
        if stage == "fit":
            self._average_model = AveragedModel(
                strip_references(pl_module),
                device=self._device or pl_module.device,
                use_buffers=self._use_buffers,
                **self._kwargs,
            )

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate the average if it has begun."""
        if self.begun:
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the current weights after the validation of the average."""
        if self.begun:
            super().on_validation_epoch_end(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the average into the module if it has begun; a training may end before that."""
        if self.begun:
            super().on_train_end(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average if it has begun, and the current weights beside it."""
        if self.begun:
            super().on_save_checkpoint(trainer, pl_module, checkpoint)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore both."""
        if "averaging_state" in checkpoint:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)


def strip_references(module: nn.Module) -> nn.Module:
    """A module with the same parameters, buffers and layers, without other attributes."""
    found = nn.Module()
    for part in ("_parameters", "_buffers", "_non_persistent_buffers_set", "_modules"):
        found.__dict__[part] = module.__dict__[part]
    return found


def mend_averages(callbacks: list[Callback]) -> list[Callback]:
    """Replace each `WeightAveraging` of Lightning, or of a derived class, by an `Averaging` of the same name."""
    return [_mend(one) if isinstance(one, WeightAveraging) else one for one in callbacks]


def _mend(callback: WeightAveraging) -> WeightAveraging:
    kind = type(callback)
    if isinstance(callback, Averaging):
        return callback
    names = {"__qualname__": kind.__qualname__, "__module__": kind.__module__}
    mended: Any = object.__new__(type(kind.__name__, (Averaging, kind), names))
    mended.__dict__.update(callback.__dict__)
    return mended
