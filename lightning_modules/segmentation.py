"""The training, validation and sweep steps, once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.cli import OptimizerCallable
from torch import Tensor, nn

import safe_files.parser_loader  # noqa: F401  (first: see there)
from lightning_modules.finite import find_finite, require_finite
from lightning_modules.labels import IGNORED, require_labelled
from lightning_modules.losses.cross_entropy import CrossEntropy
from lightning_modules.losses.guard import LossGuard, hand_ignored
from lightning_modules.metrics.counts import SegmentationCounts, image_confusion, mean_iou
from lightning_modules.metrics.sweep import ImageCounts, SweepCounts
from lightning_modules.networks.combination import opinions_of
from lightning_modules.networks.multi_task import MultiTaskNetwork
from lightning_modules.networks.pretrained import load_trained
from lightning_modules.networks.strided import subsample_first
from lightning_modules.refused import refused
from lightning_modules.schedules import Schedule, training_steps
from lightning_modules.tasks.scores import TASK
from safe_files.roots import find_weights
from user_error import UserError


class SegmentationModule(pl.LightningModule):
    """A segmentation network with its loss and its optimiser.

    A variant overrides one hook: `compute_loss` (another objective), `parameter_groups` (what is optimised how),
    `predict_logits` (another way to the logits), or `predict` with `count_tasks` (what else is predicted and scored).

    Args:
        network: makes the network from (num_classes, in_channels).
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        loss: logits (B, K, H, W) and mask (B, H, W) to a scalar; cross-entropy if null.
        optimizer: makes the optimiser from the parameter groups.
        schedule: learning-rate schedule; constant if null.
        encoder_weights: what the network starts from, for its `load_pretrained`; random weights if null.
        start: checkpoint of the same network, which all weights start from; see 'fit --start'.
    """

    def __init__(
        self,
        network: Callable[[int, int], nn.Module],
        num_classes: int,
        in_channels: int = 3,
        loss: nn.Module | None = None,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: Schedule | None = None,
        encoder_weights: str | None = None,
        start: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = network(num_classes, in_channels)
        self.num_classes = num_classes
        self.loss = hand_ignored(loss or CrossEntropy())
        self.guard = LossGuard()
        self.optimizer = optimizer
        self.schedule = schedule
        self.encoder_weights = encoder_weights
        self.start = start
        self.lr_scale = 1.0
        """Of the optimiser's learning rates; for a callback to set before the training begins."""
        self.labelled: Tensor | None = None
        """Whether a pixel of the epoch so far had a label."""
        self.validation_counts = SegmentationCounts(num_classes)
        self.sweep_counts = SweepCounts(num_classes)

    trains_tasks = False
    """Whether the loss is of a `MultiTaskNetwork`'s further tasks too."""

    @property
    def logged(self) -> list[str]:
        """Names of what a training logs, which a callback may watch."""
        return ["train/loss", "val/miou"]

    def setup(self, stage: str) -> None:
        """Load pretrained weights when a training begins; one that is resumed has its own.

        Raises:
            UserError: the network has heads that this module would not train, or the weights cannot be had.
        """
        if stage == "fit" and isinstance(self.network, MultiTaskNetwork) and not self.trains_tasks:
            raise UserError(
                f"{type(self).__name__} does not train the further tasks of {type(self.network).__name__}: pass --model "
                "lightning_modules.multi_task.MultiTaskModule, or a network without them"
            )
        self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        subsample_first(self.network)
        if stage != "fit" or self.trainer.ckpt_path is not None:
            return
        if self.encoder_weights is not None:
            self.network.load_pretrained(str(find_weights(self.encoder_weights)))  # type: ignore[operator]
        if self.start is not None:
            load_trained(self.network, Path(self.start))

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1], to logits (B, K, H, W)."""
        return self.network(image)

    def predict_logits(self, image: Tensor) -> Tensor:
        """Logits (B, K, H, W) that validation, sweep and prediction score."""
        return self(image)

    def predict(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits (B, K, H, W), and what the network says of further tasks, by name."""
        return self.predict_logits(image), {}

    def count_tasks(self, said: dict[str, Tensor], batch: dict[str, Any], mask: Tensor) -> dict[str, Tensor]:
        """Integers (B, S) of each further task under one condition.

        Args:
            said: what `predict` gave of the tasks.
            batch: the clean one.
            mask: (B, H, W) of the condition.
        """
        return {}

    def mask_loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """The loss of logits (B, K, H, W) against a mask (B, H, W); what a loss of another library refuses is put in words."""
        return self.guard(self.loss, logits, mask)

    def compute_loss(self, batch: dict[str, Any]) -> Tensor:
        """The scalar that training minimises, for a batch of the contract."""
        return self.mean_loss(batch["image"], lambda logits: self.mask_loss(logits, batch["mask"]))

    def mean_loss(self, image: Tensor, criterion: Callable[[Tensor], Tensor]) -> Tensor:
        """The loss of the network's answer to images (B, C, H, W); of several opinions, the mean of their losses.

        Args:
            image: uint8 or float in [0, 1].
            criterion: logits (B, K, H, W) to a scalar.
        """
        # in 16 bits the sums of a loss would be rounded
        return torch.stack([criterion(logits.float()) for logits in opinions_of(self.network, image)]).mean()

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """One step of training.

        Raises:
            UserError: the loss is not finite, or a single image is too little for batch normalisation.
        """
        try:
            loss = self.compute_loss(batch)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise UserError(
                "batch normalisation has one value for each channel, of one image that was pooled to a point: train with "
                "--data.init_args.batch_size 2 or more"
            ) from error
        if not torch.isfinite(loss):
            raise UserError(
                f"the training loss became {loss.item()} in epoch {self.current_epoch}, step {self.global_step}: lower "
                "the learning rate, clip gradients (--trainer.gradient_clip_val 1) or train at --trainer.precision 32"
            )
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["id"]))
        labelled = (batch["mask"] != IGNORED).any()
        self.labelled = labelled if self.labelled is None else self.labelled | labelled
        return loss

    def on_train_epoch_end(self) -> None:
        """Look whether there was anything to learn from.

        Raises:
            UserError: no pixel of the epoch had a label, on any process.
        """
        if self.labelled is not None:
            found = self.trainer.strategy.reduce(self.labelled.float(), reduce_op="sum")  # one process may see none
            require_labelled(bool(found), "training images")
        self.labelled = None

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Count one clean batch."""
        logits = self.predict_logits(batch["image"])
        require_finite(find_finite(logits)[None], batch["id"])
        predicted = logits.argmax(1)
        self.validation_counts.update(image_confusion(predicted, batch["mask"], self.num_classes))

    def on_validation_epoch_end(self) -> None:
        """Log the data set's mIoU.

        Raises:
            UserError: no pixel that was seen has a label.
        """
        confusion = self.validation_counts.compute()
        self.validation_counts.reset()
        require_labelled(self.trainer.sanity_checking or bool(confusion.any()), "validation images")
        miou = mean_iou(confusion)[0]
        self.log("val/miou", miou.float(), prog_bar=True)

    def count_conditions(self, number: int) -> None:
        """Make room for `number` conditions in `sweep_counts`, before a sweep."""
        self.sweep_counts = SweepCounts(self.num_classes, number).to(self.device)

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """Add one batch under every condition of ``batch["conditions"]`` to `sweep_counts`.

        Returns:
            The fields of `ImageCounts` by name, and ``task_NAME`` of further tasks, each (conditions, B, ...) int64.

        Raises:
            UserError: logits are no numbers; image and condition are named.
        """
        counted: list[ImageCounts] = []
        tasks: list[dict[str, Tensor]] = []
        finite: list[Tensor] = []
        seen = logits = None
        for condition, image, mask in batch["conditions"]:
            if image is not seen or logits is None:  # a condition may change the masks alone
                seen, (logits, said) = image, self.predict(image)
                predicted, whole = logits.argmax(1), find_finite(logits)
            finite.append(whole)
            counted.append(self.sweep_counts.count(logits, predicted, mask, condition))
            tasks.append(self.count_tasks(said, batch, mask))
        require_finite(torch.stack(finite), batch.get("id", ()), getattr(batch["conditions"], "names", ()))
        found = {name: torch.stack([getattr(one, name) for one in counted]) for name in ImageCounts._fields}
        return found | {f"{TASK}{name}": torch.stack([one[name] for one in tasks]) for name in tasks[0]}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Weights with decay; biases, normalisation and what a layer calls ``undecayed``, which decay only harms, without."""
        spared = {id(getattr(layer, name)) for layer in self.modules() for name in getattr(layer, "undecayed", ())}
        groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for parameter in self.parameters():
            if parameter.requires_grad:
                groups[parameter.ndim > 1 and id(parameter) not in spared].append(parameter)
        return [{"params": groups[True]}, {"params": groups[False], "weight_decay": 0.0}]

    def configure_optimizers(self) -> Any:
        """The optimiser and, stepped with it, the schedule.

        Raises:
            UserError: one of them refuses its settings.
        """
        with refused("--model.init_args.optimizer", self.hparams.get("optimizer"), "optimizer"):
            optimizer = self.optimizer(self.parameter_groups())
        for group in optimizer.param_groups:
            group["lr"] *= self.lr_scale
        if self.schedule is None:
            return optimizer
        steps = training_steps(self.trainer)
        with refused("--model.init_args.schedule", self.hparams.get("schedule"), "schedule"):
            scheduler = self.schedule(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
