"""What faster forward passes change: the counts of a sweep beside those of exact passes, on its first batch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from pytorch_lightning.utilities import move_data_to_device
from torch import nn

from datamodules.base import SegmentationDataModule
from experiments.evaluation.images import Images
from experiments.evaluation.scores.overlap import mean_iou
from experiments.sweeping.condition_loop import ConditionLoop
from experiments.sweeping.gathered import gather
from experiments.sweeping.suite import Suite
from experiments.sweeping.swept import join, sort
from lightning_modules.metrics.counters.confusion import Confusion
from lightning_modules.segmentation import SegmentationModule


class PassesEffect(NamedTuple):
    """The first images of a sweep, counted twice."""

    images: int
    conditions: int
    pixels: int  # labelled ones, over all conditions
    changed: int  # of these, at least so many have another class than by exact passes
    miou: float  # mean over the conditions of the mIoU of these images, less that of exact passes
    largest: float  # of these differences, the one of the largest magnitude

    def as_json(self) -> dict[str, Any]:
        """As a record states it."""
        return {name: round(value, 8) if isinstance(value, float) else value for name, value in self._asdict().items()}

    def __str__(self) -> str:
        return (
            f"against exact passes on the first {self.images} images under {self.conditions} conditions, {self.changed} or "
            f"more of {self.pixels} pixels change class; the mean mIoU changes by {100 * self.miou:+.4f} points, that "
            f"of one condition by {100 * self.largest:+.4f} at most"
        )


def measure_effect(
    exact: nn.Module, module: SegmentationModule, data: SegmentationDataModule, suite: Suite, images: Images
) -> PassesEffect:
    """Count the first batch of a sweep again by exact passes in 32 bits, and compare.

    Args:
        exact: the network with the weights of its checkpoint.
        module: on the device of the sweep; it is used with `exact`.
        data: with the split of the sweep.
        suite: its conditions; those that change the network or ask it for gradients have exact passes anyway.
        images: of the sweep, with its counts.
    """
    places = [place for place in suite.stateless_places if not suite.conditions[place].predicts]
    number = len(data.open_split(data.test_split))
    later = frozenset(range(1, -(-number // data.eval_batch_size)))
    own_size, own_masks = suite.corrupts_files(data.resizes), suite.protocol.scored_at_file
    loader = data.make_evaluation_dataloader(
        data.test_split, (0, 1), later, own_size, own_masks, by_size=True, needs=suite.needs
    )
    batches: list[dict[str, Any]] = move_data_to_device(next(iter(loader)), module.device)
    before, module.network = module.network, exact.to(module.device).eval()
    loop = ConditionLoop(module, suite, places, [Confusion()], resize=data.batch_resize)
    swept = []
    try:
        with torch.inference_mode():
            for batch in batches:
                counted = loop.count(data.on_after_batch_transfer(batch, 0))
                swept.append(gather(batch, counted, loop, [at for at, name in enumerate(batch["id"]) if name]))
    finally:
        module.network = before
    wanted = sort(join(swept)).counts["classes"]
    return compare_counts(images.counts["classes"][: len(wanted)][:, places], wanted)


def compare_counts(found: np.ndarray, wanted: np.ndarray) -> PassesEffect:
    """Compare counts of the same images.

    Args:
        found: (N, conditions, K, 3), hits, predicted and true pixels of each class.
        wanted: likewise, by exact passes.
    """
    hit, predicted, _ = np.moveaxis(np.abs(found.astype(np.int64) - wanted), -1, 0)
    moved = np.maximum(hit.sum(-1), (predicted.sum(-1) + 1) // 2)
    change = mean_iou(found.sum(0)) - mean_iou(wanted.sum(0))
    return PassesEffect(
        images=len(found),
        conditions=found.shape[1],
        pixels=int(wanted[..., 2].sum()),
        changed=int(moved.sum()),
        miou=float(change.mean()),
        largest=float(change[np.abs(change).argmax()]),
    )


def is_inexact(passes: str, precision: str) -> bool:
    """Whether a sweep by these passes may count pixels otherwise than by exact ones in 32 bits."""
    return passes != "exact" or precision not in ("32-true", "32")


def describe_passes(passes: str, effect: PassesEffect | None) -> Mapping[str, Any]:
    """What a record says of its passes: nothing where they are exact."""
    return {} if effect is None else {"passes": passes, "passes_effect": effect.as_json()}
