"""The work of a sweep on one batch of tensors in memory, for measurements and plans."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from datamodules.batch_resize import BatchResize
from experiments.sweeping.condition_loop import ConditionLoop
from experiments.sweeping.suite import Suite
from lightning_modules.segmentation import SegmentationModule


def make_sweep_step(
    module: SegmentationModule,
    suite: Suite,
    image: Tensor,
    mask: Tensor,
    places: Sequence[int] | None = None,
    size: tuple[int, int] | None = None,
) -> Callable[[], None]:
    """A function that corrupts, predicts and counts a batch under all conditions of `suite`, or some.

    Args:
        module: on the device of the batch.
        suite: whose conditions are applied.
        image: uint8 (B, C, H, W).
        mask: class ids (B, H, W).
        places: of the conditions in the suite; all if `None`.
        size: (height, width) that images and masks are resized to, before or after their corruption, as the suite says.
    """
    resize = BatchResize(size)
    batch: dict[str, Any] = {"image": resize.resize_images(image), "mask": resize.resize_masks(mask)}
    batch["id"] = [str(place) for place in range(len(image))]
    batch |= {name: _make_ramp(batch["image"]) for name in suite.needs}
    if suite.corrupts_files(batch["image"] is not image):
        batch |= {"own_image": [*image], "own_mask": [*mask]}
        batch |= {f"own_{name}": [*_make_ramp(image)] for name in suite.needs}
    elif suite.protocol.scored_at_file and batch["image"] is not image:
        batch["own_mask"] = [*mask]
    loop = ConditionLoop(module, suite, places, resize=resize)

    @torch.inference_mode()
    def step() -> None:
        loop.count(batch)

    return step


def _make_ramp(images: Tensor) -> Tensor:
    """A target of images (B, C, H, W) for corruptions that need one, float32 (B, H, W): as of a floor that comes nearer."""
    height, width = images.shape[2:]
    return torch.linspace(10, 1, height, device=images.device)[:, None].expand(len(images), height, width).contiguous()
