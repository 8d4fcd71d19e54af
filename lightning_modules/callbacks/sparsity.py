"""Training with weights that are held at zero."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint, WeightAveraging
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from lightning_modules.pruning.weights import (
    RANKINGS,
    apply_masks,
    find_empty_layers,
    get_prunable_weights,
    mask_smallest,
    require_ratio,
)
from lightning_modules.schedules import count_training_steps
from user_error import UserError


class _Masked(pl.Callback):
    """Holds weights at zero: a hook resets them within the optimiser's step, before callbacks run."""

    def __init__(self) -> None:
        self.masks: Mapping[str, Tensor] = {}
        self.handles: list[RemovableHandle] = []

    def hold(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Register the hooks that reset masked weights after each step."""

        def undo(*_: Any) -> None:
            apply_masks(get_prunable_weights(pl_module.network), self.masks)  # type: ignore[arg-type]

        self.handles = [optimizer.register_step_post_hook(undo) for optimizer in trainer.optimizers]

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Remove the hooks."""
        for handle in self.handles:
            handle.remove()


class KeepZeros(_Masked):
    """Fine-tunes a sparse network: weights that are zero when the training begins are zero after every step.

    With a checkpoint of `prune --method magnitude` or `two_of_four` as the start this is fine-tuning; with one that was
    rewound to the weights of an early epoch it is the search for a lottery ticket (Frankle & Carbin, ICLR 2019; Frankle et
    al., ICML 2020).
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find the zero weights and hold them.

        Raises:
            UserError: no weight is zero.
        """
        weights = get_prunable_weights(pl_module.network)  # type: ignore[arg-type]
        self.masks = {name: weight != 0 for name, weight in weights.items() if not weight.all()}
        if not self.masks:
            raise UserError("no weight is zero, so there are no zeros to keep: pass --start a checkpoint of 'prune'")
        self.hold(trainer, pl_module)


class GradualSparsity(_Masked):
    """Gradual magnitude pruning: sets more and more weights to zero during the training, and holds them at zero.

    Zhu & Gupta, "To prune, or not to prune", 2017: at the fraction x of the steps from the first pruning to the last the
    sparsity is ``ratio * (1 - (1 - x) ** 3)``.

    Args:
        ratio: ratio of the weights that are zero in the end.
        begin: fraction of the training after which pruning begins.
        end: fraction of the training after which pruning ends.
        every: steps between two prunings.
        ranking: score of the weights: "magnitude" over all layers, or "lamp", which retains some in every layer.

    Raises:
        UserError: fractions that are not in order, a ratio outside (0, 1), or an unknown ranking.
    """

    def __init__(
        self, ratio: float = 0.8, begin: float = 0.1, end: float = 0.7, every: int = 10, ranking: str = "magnitude"
    ) -> None:
        require_ratio(ratio)
        if ranking not in RANKINGS:
            raise UserError(f"unknown ranking {ranking!r} of weights: choose {' or '.join(RANKINGS)}")
        if not 0 <= begin < end <= 1 or every < 1:
            raise UserError(
                f"gradual sparsity from {begin} to {end} of the training, every {every} steps: give 0 <= begin < end <= 1, "
                "and at least 1 step"
            )
        self.ratio = ratio
        self.ranking = ranking
        self.begin = begin
        self.end = end
        self.every = every
        self.pruned = False
        self.seen = 0
        super().__init__()

    def state_dict(self) -> dict[str, Any]:
        """Whether weights were pruned; the masks follow from the weights."""
        return {"pruned": self.pruned}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of an interrupted training."""
        self.pruned = bool(state_dict["pruned"])

    def compute_sparsity_at(self, step: int, steps: int) -> float:
        """Sparsity after `step` of `steps` steps."""
        first, last = self.begin * steps, self.end * steps
        way = min(1.0, max(0.0, (step - first) / (last - first)))
        return self.ratio * (1 - (1 - way) ** 3)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the masks where a training is resumed, and hold the zeros.

        Raises:
            UserError: weights are averaged while further ones are pruned.
        """
        for other in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(other, WeightAveraging) and not getattr(other, "start", 0) >= self.end:
                raise UserError(
                    f"{type(other).__name__} averages weights while GradualSparsity still sets more of them to zero, so that "
                    "few are zero in the average: take StochasticWeights with a start at or after the end of the sparsity"
                )
        if self.pruned:
            weights = get_prunable_weights(pl_module.network)  # type: ignore[arg-type]
            self.masks = {name: weight != 0 for name, weight in weights.items()}
        self.hold(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Prune more weights at the scheduled steps."""
        step, steps = trainer.global_step, count_training_steps(trainer)
        if step == self.seen:  # gradients are accumulated over several batches
            return
        self.seen = step
        weights = get_prunable_weights(pl_module.network)  # type: ignore[arg-type]
        wanted, before = (self.compute_sparsity_at(one, steps) for one in (step, step - self.every))
        if wanted > before and (step % self.every == 0 or wanted == self.ratio):
            self.masks = mask_smallest(weights, wanted, self.ranking)
            self.pruned = True
            apply_masks(weights, self.masks)
            _forget_best(trainer)
            if wanted == self.ratio and (lost := find_empty_layers(weights)):
                rank_zero_warn(f"no weight is left in {', '.join(lost)}: rank weights by 'lamp', or lower the ratio")


def _forget_best(trainer: pl.Trainer) -> None:
    """Reset the best checkpoints, since earlier networks had fewer zeros."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor:
            callback.best_k_models.clear()
            callback.best_model_score = None
