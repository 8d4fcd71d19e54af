"""What a sweep does with one batch, on tensors in memory: what is measured of it, and what is planned from."""

from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor

from datamodules.corruptions.stream import ConditionStream
from datamodules.corruptions.suite import Suite
from lightning_modules.segmentation import SegmentationModule


def sweep_step(
    module: SegmentationModule, suite: Suite, image: Tensor, mask: Tensor, conditions: int | None = None
) -> Callable[[], None]:
    """Corrupt, predict and count a batch under every condition of `suite`, or the first `conditions` of them.

    Args:
        module: on the device of the batch; its counts are made anew.
        suite: what the images meet.
        image: uint8 (B, C, H, W).
        mask: class ids (B, H, W).
        conditions: number of conditions.
    """
    ids = [str(place) for place in range(len(image))]
    module.count_conditions(len(suite.conditions))

    @torch.inference_mode()
    def step() -> None:
        stream = islice(ConditionStream(suite, image, mask, ids), conditions)
        module.test_step({"image": image, "mask": mask, "id": ids, "conditions": stream}, 0)

    return step
