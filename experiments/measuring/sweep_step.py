"""What a sweep does with one batch, on tensors in memory: what is measured of it, and what is planned from."""

from collections.abc import Callable

import torch
from torch import Tensor

from experiments.sweeping.condition_loop import ConditionLoop
from experiments.sweeping.suite import Suite
from lightning_modules.segmentation import SegmentationModule


def sweep_step(
    module: SegmentationModule, suite: Suite, image: Tensor, mask: Tensor, conditions: int | None = None
) -> Callable[[], None]:
    """Corrupt, predict and count a batch under every condition of `suite`, or the first `conditions` of them.

    Args:
        module: on the device of the batch.
        suite: what the images meet.
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
