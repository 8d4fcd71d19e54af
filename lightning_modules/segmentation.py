"""The LightningModule of segmentation: training and validation steps, optimiser and schedule."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.cli import OptimizerCallable
from torch import Tensor, nn

import safe_files.parser_loader  # noqa: F401  (first: see there)
from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.partners import require_partners
from lightning_modules.draws import make_step_generator
from lightning_modules.finite import find_finite, require_finite
from lightning_modules.labels import IGNORED, find_classes, require_labelled
from lightning_modules.losses.cross_entropy import CrossEntropy
from lightning_modules.losses.guard import LossGuard, hand_ignored
from lightning_modules.metrics.counts import SegmentationCounts, compute_confusion, mean_iou
from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.networks.network import SEGMENTATION, as_network
from lightning_modules.networks.pretrained import load_trained
from lightning_modules.networks.strided import subsample_first
from lightning_modules.objectives.base import (
    Objective,
    ObjectiveLoss,
    StepContext,
    collect_training_states,
    restore_training_states,
)
from lightning_modules.objectives.supervised import Supervised
from lightning_modules.optimizers.layer_decay import compute_layer_scales
from lightning_modules.refused import explain_refusal
from lightning_modules.schedules import Schedule, count_training_steps
from lightning_modules.tasks.base import Task
from lightning_modules.tasks.moved_targets import MovedTargets
from lightning_modules.training_batch import TrainingBatch, read_training_batch
from safe_files.roots import find_weights
from user_error import UserError

OBJECTIVE = "objective_state"
"""Entry of a checkpoint of a training in progress: states of objectives, such as a teacher."""


class SegmentationModule(pl.LightningModule):
    """A segmentation network with its loss and its optimiser.

    Training methods need no subclass: `batch_transforms` change the batches, and `objective` computes the loss. A subclass
    may override one hook: `make_parameter_groups` (optimiser settings by parameter) or `predict_logits` (inference).

    Args:
        network: makes the network from (num_classes, in_channels).
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        loss: logits (B, K, H, W) and mask (B, H, W) to a scalar; cross-entropy if null.
        optimizer: makes the optimiser from the parameter groups.
        schedule: learning-rate schedule; constant if null.
        encoder_weights: pretrained weights, for the network's `load_pretrained`; random weights if null.
        start: checkpoint of the same network from which all weights are initialised; see 'fit --start'.
        batch_transforms: transforms of each training batch on its device, applied in order.
        objective: computes the loss from network and batch; the loss of the segmentation against the masks if null.
        layer_decay: factor of the learning rate from each layer of an encoder of timm to the one before it, such as 0.75; see
            `optimizers.layer_decay`. One rate for all if null.
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
        batch_transforms: list[BatchTransform] | None = None,
        objective: Objective | None = None,
        layer_decay: float | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = network(num_classes, in_channels)
        self.num_classes = num_classes
        self.loss = hand_ignored(loss or CrossEntropy())
        self.guard = LossGuard()
        self.batch_transforms = list(batch_transforms or [])
        self.objective = objective or Supervised()
        self.objective.begin(self.network)
        self.optimizer = optimizer
        self.schedule = schedule
        self.encoder_weights = encoder_weights
        self.start = start
        self.layer_decay = layer_decay
        self.lr_scale = 1.0
        """Factor of the optimiser's learning rates, which a callback may set before the training begins."""
        self.labelled: Tensor | None = None
        """Whether any pixel of the current epoch had a label."""
        self.task_targets = MovedTargets()
        self.validation_counts = SegmentationCounts(num_classes)

    @property
    def logged(self) -> list[str]:
        """Names of the logged values, which a callback may monitor."""
        return ["train/loss", "val/miou", *self.objective.logged]

    def setup(self, stage: str) -> None:
        """Load pretrained weights when a training begins, unless it is resumed.

        Raises:
            UserError: the network has heads that the objective would not train, or the weights cannot be loaded.
        """
        left_out = [name for name in self.tasks if name not in self.objective.tasks]
        if stage == "fit" and left_out:
            raise UserError(
                f"the objective {type(self.objective).__name__} does not train the further tasks of "
                f"{type(self.network).__name__} ({', '.join(left_out)}): pass --model.init_args.objective="
                "experiments/configs/objective/multi_task.yaml, or a network without them"
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
        """Logits (B, K, H, W) for validation, sweeps and prediction."""
        return self(image)

    @property
    def tasks(self) -> Mapping[str, Task]:
        """The network's further tasks, by name."""
        return as_network(self.network).tasks

    def predict(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits (B, K, H, W), and the network's outputs for further tasks, by name."""
        if not self.tasks:
            return self.predict_logits(image), {}
        outputs = as_network(self.network).compute_outputs(image)
        return outputs.pop(SEGMENTATION), outputs

    def count_tasks(self, outputs: dict[str, Tensor], batch: dict[str, Any], mask: Tensor) -> dict[str, Tensor]:
        """Counts (B, S) of each further task under one condition.

        Args:
            outputs: of the further tasks, as `predict` returns them.
            batch: the clean batch.
            mask: (B, H, W) of the condition.
        """
        if not self.tasks:
            return {}
        targets = self.task_targets.find(self.tasks, batch, mask, self.num_classes)
        return {name: task.compute_counts(outputs[name], targets[name]) for name, task in self.tasks.items()}

    def compute_mask_loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """The loss of logits (B, K, H, W) against a mask (B, H, W); see `LossGuard` for losses of other libraries."""
        return self.guard(self.loss, logits, mask)

    def compute_loss(self, batch: dict[str, Any]) -> Tensor:
        """The loss of the objective for a batch, without batch transforms."""
        return self.apply_objective(read_training_batch(batch)).loss

    def apply_objective(self, batch: TrainingBatch) -> ObjectiveLoss:
        """The loss that training minimises, and values to be logged."""
        trainer = self._trainer
        step, updates = (0, 0) if trainer is None else (trainer.fit_loop.total_batch_idx, trainer.global_step)
        generator = make_step_generator(trainer, "objective")
        context = StepContext(step, generator, self.compute_mask_loss, self.num_classes, updates)
        return self.objective(self.network, batch, context)

    def transform_batch(self, batch: TrainingBatch) -> TrainingBatch:
        """The batch after the batch transforms of this step."""
        for place, transform in enumerate(self.batch_transforms):
            batch = transform(batch, make_step_generator(self._trainer, f"batch_transforms.{place}"))
        return batch

    def list_mixing(self) -> list[str]:
        """Names of the methods of this training in which an image gets something of another one of its batch."""
        transforms = [one for one in (*self.batch_transforms, *self.objective.transforms) if one.mixes_images]
        return [
            *(type(one).__name__ for one in transforms),
            *(name for part in self.network.modules() if isinstance(part, SegmentationNetwork) for name in part.mixing),
        ]

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """One step of training.

        Raises:
            UserError: the loss is not finite, batch normalisation has too few values, or images are to be mixed of which a
                batch has one.
        """
        if batch_idx == 0:  # a batch with fewer images than the others can only be the last
            require_partners(self.list_mixing(), len(batch["id"]))
        try:
            loss, logged = self.apply_objective(self.transform_batch(read_training_batch(batch)))
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
        if logged:
            self.log_dict(dict(logged), batch_size=len(batch["id"]))
        labelled = (batch["mask"] != IGNORED).any()
        self.labelled = labelled if self.labelled is None else self.labelled | labelled
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store what the objective needs to go on."""
        if states := collect_training_states(self.objective):
            checkpoint[OBJECTIVE] = states

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore it."""
        restore_training_states(self.objective, checkpoint.get(OBJECTIVE))

    def on_train_epoch_end(self) -> None:
        """Check that the epoch had labelled pixels.

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
        predicted = find_classes(logits)
        self.validation_counts.update(compute_confusion(predicted, batch["mask"], self.num_classes))

    def on_validation_epoch_end(self) -> None:
        """Log the data set's mIoU.

        Raises:
            UserError: no validation pixel has a label.
        """
        confusion = self.validation_counts.compute()
        self.validation_counts.reset()
        require_labelled(self.trainer.sanity_checking or bool(confusion.any()), "validation images")
        miou = mean_iou(confusion)[0]
        self.log("val/miou", miou.float(), prog_bar=True)

    def make_parameter_groups(self) -> list[dict[str, Any]]:
        """Parameter groups: weights with weight decay; biases, normalisation and parameters in ``undecayed`` without.

        With a `layer_decay`, each layer of the encoder has two of its own, whose ``lr_scale`` multiplies the learning rate.

        Raises:
            UserError: a `layer_decay` for an encoder whose layers have no known order.
        """
        spared = {id(getattr(layer, name)) for layer in self.modules() for name in getattr(layer, "undecayed", ())}
        scales = {} if self.layer_decay is None else compute_layer_scales(self.network, self.layer_decay)
        groups: dict[tuple[float, bool], list[nn.Parameter]] = {(1.0, True): [], (1.0, False): []}
        for parameter in self.parameters():
            if parameter.requires_grad:
                decays = parameter.ndim > 1 and id(parameter) not in spared
                groups.setdefault((scales.get(id(parameter), 1.0), decays), []).append(parameter)
        return [
            {"params": group, **({} if decays else {"weight_decay": 0.0}), **({"lr_scale": scale} if scales else {})}
            for (scale, decays), group in groups.items()
        ]

    def configure_optimizers(self) -> Any:
        """The optimiser and, stepped with it, the schedule.

        Raises:
            UserError: one of them refuses its settings.
        """
        with explain_refusal("--model.init_args.optimizer", self.hparams.get("optimizer"), "optimizer"):
            optimizer = self.optimizer(self.make_parameter_groups())
        for group in optimizer.param_groups:
            group["lr"] *= self.lr_scale * group.get("lr_scale", 1.0)
        if self.schedule is None:
            return optimizer
        steps = count_training_steps(self.trainer)
        with explain_refusal("--model.init_args.schedule", self.hparams.get("schedule"), "schedule"):
            scheduler = self.schedule(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
