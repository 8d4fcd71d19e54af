"""One image under one condition: the pixels that a sweep gives it, and what a network predicts for them there."""

from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning.utilities import move_data_to_device
from torch import Tensor, nn

from datamodules.base import SegmentationDataModule
from datamodules.batches import collate
from datamodules.dataset import SegmentationDataset
from experiments.sweeping.conditions import SweptCondition
from experiments.sweeping.own_size import apply_at_own_size
from experiments.sweeping.suite import Suite
from lightning_modules.labels import ignore_unlabelled
from lightning_modules.segmentation import SegmentationModule


def make_batch_of_one(
    data: SegmentationDataModule,
    dataset: SegmentationDataset,
    place: int,
    suite: Suite,
    device: torch.device,
    needs: Sequence[str] | None = None,
) -> dict[str, Any]:
    """A batch of one image, as a sweep over its data set meets it.

    Args:
        data: by which images are resized.
        dataset: that has the image.
        place: of the image in it.
        suite: of the sweep.
        device: of the batch.
        needs: further targets that the image must have; those that the suite corrupts by if `None`.

    Raises:
        UserError: the image cannot be read, or lacks a target that it must have.
    """
    needed = suite.needs if needs is None else needs
    view = data.make_evaluation_view(dataset, suite.corrupts_files(data.resizes), needs=needed)
    batch = {
        name: move_data_to_device(value, device) for name, value in collate([view[place]], dataset.targets).items()
    }
    return data.on_after_batch_transfer(batch, 0)


def draw_batch(
    condition: SweptCondition, network: nn.Module, batch: dict[str, Any], suite: Suite, data: SegmentationDataModule
) -> tuple[Tensor, Tensor]:
    """Images and masks of a batch under a condition, drawn as in a sweep.

    Args:
        condition: of the suite.
        network: that is shown the images; only conditions that depend on it look at it.
        batch: see `make_batch_of_one`.
        suite: of the sweep.
        data: by which images are resized.

    Returns:
        (1, C, H, W) uint8 or float in [0, 1], and int64 (1, H, W).
    """
    with torch.enable_grad() if condition.needs_gradients else torch.inference_mode():
        drawn, masks = apply_at_own_size(condition.pixels, batch, suite.seed, data.batch_resize)
        labelled = ignore_unlabelled(masks, data.num_classes)
        return condition.perturb(condition.begin(network), drawn, labelled, batch["id"], suite.seed), masks


def predict_as_in_sweep(module: SegmentationModule, images: Tensor, data: SegmentationDataModule) -> Tensor:
    """Logits (1, K, H, W) of an image (1, C, H, W), in a batch of the sweep's size, on which their last digits depend."""
    with torch.inference_mode():
        return module.predict_logits(images.repeat(data.eval_batch_size, 1, 1, 1))[:1]
