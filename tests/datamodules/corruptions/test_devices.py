"""Corruptions run where the images are, and draw the same there."""

import pytest
import torch
from scenes import apply, every_corruption, keys, regions, scene

from datamodules.corruptions.base import Corruption

ON_CPU = {"jpeg_compression": "libjpeg", "frost": "the photos", "spatter": "OpenCV"}
"""What takes the levels of the images to the CPU, and for what."""


@every_corruption
def test_nothing_is_left_on_another_device(corruption: Corruption) -> None:
    """The meta device has shapes but no levels; an operation that mixes it with the CPU fails."""
    if corruption.name in ON_CPU or type(corruption).__name__ == "AlbumentationsCorruption":
        pytest.skip("works on the CPU, wherever the images are")
    images, masks = scene(2).to("meta"), regions(2).to("meta")
    for severity in range(1, 6):
        found, scored = apply(corruption, images, masks, severity, keys(2).to("meta"))
        assert found.device.type == scored.device.type == "meta"
        assert found.shape == images.shape


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every_corruption
def test_cuda_draws_what_the_cpu_draws(corruption: Corruption) -> None:
    for severity in range(1, 6):
        images, masks, draws = scene(7, 3, 96, 112), regions(7, 96, 112), keys(7, severity)
        here = apply(corruption, images, masks, severity, draws)
        there = apply(corruption, images.cuda(), masks.cuda(), severity, draws)
        apart = (there[0].cpu().int() - here[0].int()).abs()
        if corruption.exact:
            assert not apart.any()
            assert torch.equal(there[1].cpu(), here[1])
        else:
            assert (apart > 1).double().mean() < 1e-3
            assert (there[1].cpu() != here[1]).double().mean() < 1e-3
