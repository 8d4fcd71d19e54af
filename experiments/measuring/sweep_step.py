"""The work of a sweep on one batch of tensors in memory, for measurements and plans."""

from collections.abc import Callable

import torch
from torch import Tensor

from experiments.sweeping.condition_loop import ConditionLoop
from experiments.sweeping.suite import Suite
from lightning_modules.segmentation import SegmentationModule


def make_sweep_step(
    module: SegmentationModule, suite: Suite, image: Tensor, mask: Tensor, conditions: int | None = None
) -> Callable[[], None]:
    """A function that corrupts, predicts and counts a batch under all conditions of `suite`, or the first `conditions`.

    Args:
        module: on the device of the batch.
        suite: whose conditions are applied.
        image: uint8 (B, C, H, W).
        mask: class ids (B, H, W).
        conditions: number of conditions.
    """
    ids = [str(place) for place in range(len(image))]
    loop = ConditionLoop(module, suite, range(len(suite.conditions))[:conditions])

    @torch.inference_mode()
    def step() -> None:
        loop.count({"image": image, "mask": mask, "id": ids})

    return step
