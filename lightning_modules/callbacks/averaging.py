"""Averages of the weights that a training passes through, from where they begin."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, WeightAveraging
from torch import nn
from torch.optim.swa_utils import AveragedModel


class Averaging(WeightAveraging):
    """A `WeightAveraging` of Lightning's that counts only once any weights have entered it.

    Until then the training's own weights are validated and saved; Lightning would score and save the network as it was
    before its first step, and before its pretrained weights were loaded. What is copied is parameters and buffers: the
    module itself leads to the trainer and its processes.
    """

    @property
    def begun(self) -> bool:
        """Whether any weights have entered the average."""
        return self._average_model is not None and bool(self._average_model.n_averaged)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Make room for the average when a training begins."""
        if stage == "fit":
            self._average_model = AveragedModel(
                strip_references(pl_module),
                device=self._device or pl_module.device,
                use_buffers=self._use_buffers,
                **self._kwargs,
            )

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate the average, where there is one."""
        if self.begun:
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on with the training's own weights."""
        if self.begun:
            super().on_validation_epoch_end(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the module with the average, where there is one: an early end may come before it begins."""
        if self.begun:
            super().on_train_end(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average, where there is one, with the training's own weights beside it."""
        if self.begun:
            super().on_save_checkpoint(trainer, pl_module, checkpoint)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with both."""
        if "averaging_state" in checkpoint:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)


def strip_references(module: nn.Module) -> nn.Module:
    """The parameters, buffers and layers of a module under the same names, without all else that it refers to."""
    found = nn.Module()
    for part in ("_parameters", "_buffers", "_non_persistent_buffers_set", "_modules"):
        found.__dict__[part] = module.__dict__[part]
    return found


def mend_averages(callbacks: list[Callback]) -> list[Callback]:
    """The callbacks, with each average of Lightning's, or of a class derived from one, as an `Averaging` of the same name."""
    return [_mend(one) if isinstance(one, WeightAveraging) else one for one in callbacks]


def _mend(callback: WeightAveraging) -> WeightAveraging:
    kind = type(callback)
    if isinstance(callback, Averaging):
        return callback
    names = {"__qualname__": kind.__qualname__, "__module__": kind.__module__}
    mended: Any = object.__new__(type(kind.__name__, (Averaging, kind), names))
    mended.__dict__.update(callback.__dict__)
    return mended
