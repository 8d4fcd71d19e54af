"""Checks before a training begins: values that a library accepts and fails on only hours later, or never."""

import math
from collections.abc import Sequence
from typing import Any

from pytorch_lightning import Callback, LightningModule
from pytorch_lightning.callbacks import Checkpoint

from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

LEAST: dict[str, tuple[float, bool]] = {
    "accumulate_grad_batches": (1, True),
    "check_val_every_n_epoch": (1, True),
    "log_every_n_steps": (0, True),
    "max_epochs": (-1, True),
    "num_nodes": (1, True),
    "num_sanity_val_steps": (-1, True),
    "gradient_clip_val": (0, True),
    "val_check_interval": (0, False),
    "reload_dataloaders_every_n_epochs": (0, True),
}
"""The lower bound of a setting of the trainer, and whether the bound itself is allowed."""
UNFIT = {
    "BackboneFinetuning": "it looks for a module named 'backbone': begin with a trained network (--start), or give the encoder's "
    "part of the network a rate of its own in a module of yours",
    "LearningRateFinder": "it changes the rate behind the recipe, which would tell another than was trained with: set "
    "--model.init_args.optimizer.init_args.lr",
    "BatchSizeFinder": "it changes the batch size behind the recipe, which would tell another than was trained with: set "
    "--data.init_args.batch_size",
    "StochasticWeightAveraging": "it copies the module as a whole, with all that it refers to: take "
    "lightning_modules.callbacks.stochastic_weights.StochasticWeights",
    "ModelPruning": "it cannot take apart weights that lie channels-last: take the verb 'prune', or "
    "lightning_modules.callbacks.sparsity.GradualSparsity",
    "BaseFinetuning": "it is the base of callbacks that say which part is trained when: name one of those",
}
"""Callbacks of Lightning that do not fit the project's module, and the remedy for each."""
OWN = ("pytorch_lightning.", "lightning_modules.")
"""Packages whose modules and callbacks log known names."""
LOGGED_BY_LIGHTNING = ("epoch", "step")


def require_trainer(settings: Any) -> None:
    """Refuse numbers that Lightning's trainer accepts and that are invalid, such as a negative clipping value.

    Raises:
        UserError: a setting is below its lower bound.
    """
    for name, (least, included) in LEAST.items():
        value = settings.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if math.isnan(value) or value < least or (value == least and not included):
            raise UserError(
                f"--trainer.{name} is {value}: pass {'' if included else 'more than '}{least}{' or more' * included}"
            )


def require_callbacks(callbacks: Sequence[Callback], module: LightningModule) -> None:
    """Refuse callbacks that need what the module does not have, before an epoch is trained.

    Raises:
        UserError: one does not fit, or monitors a name that is not logged.
    """
    for callback in callbacks:
        kind = type(callback)
        if kind.__name__ in UNFIT and kind.__module__.startswith(OWN):
            raise UserError(f"--trainer.callbacks: {kind.__name__} does not fit: {UNFIT[kind.__name__]}")
    if not all(type(one).__module__.startswith((*OWN, "experiments.")) for one in (*callbacks, module)):
        return  # it may log other names
    if not isinstance(module, SegmentationModule):
        return
    for callback in callbacks:
        known = [*module.logged, *(LOGGED_BY_LIGHTNING if isinstance(callback, Checkpoint) else ())]
        monitor = getattr(callback, "monitor", None)
        if monitor is not None and monitor not in known:
            raise UserError(
                f"--trainer.callbacks.monitor: {type(callback).__name__} looks for {monitor!r}, which is not logged: pass one "
                f"of {', '.join(map(repr, known))}"
            )
