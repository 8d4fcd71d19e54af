"""What every corruption of every suite keeps; a new one is tested as soon as a suite names it."""

import itertools
import json
import math
from typing import get_args

import pytest
import torch
from scenes import CORRUPTIONS, SUITES, apply, every_corruption, keys, regions, scene
from threads import threads

from datamodules.corruptions.base import Corruption, Family
from user_error import UserError

NOT_MONOTONE = {  # of ImageNet-C, and in the reference alike
    "glass_blur": "severity 1 scans twice and severity 2 once",
    "snow": "severities 2 and 3 hurt alike",
    "frost": "the photo is drawn anew at each severity",
    "fog": "the field is drawn anew at each severity",
    "checkerboard_cutout": "the cells are drawn anew at each severity",
}

every_severity = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])


def test_every_suite_is_found():
    assert {path.stem for path in SUITES} >= {"core", "smoke"}
    assert len(CORRUPTIONS) >= 5


@every_corruption
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_keeps_shape_and_dtype_and_its_input(corruption: Corruption, channels):
    for (height, width), severity in itertools.product([(32, 32), (33, 47)], range(1, 6)):
        images, masks = scene(2, channels, height, width), regions(2, height, width)
        before, masks_before = images.clone(), masks.clone()
        corrupted, scored = apply(corruption, images, masks, severity, keys(2, severity))
        assert corrupted.shape == images.shape
        assert corrupted.dtype == torch.uint8
        assert corrupted.is_contiguous()
        assert torch.equal(images, before)
        assert torch.equal(masks, masks_before)
        assert corrupted.data_ptr() != images.data_ptr()
        assert scored.shape == masks.shape
        assert scored.dtype == torch.int64
        assert set(scored.unique().tolist()) <= {*masks.unique().tolist(), 255}
        assert (scored is masks) != corruption.moves_masks
        left = corruption.colour_only and channels != 3
        assert torch.equal(corrupted, images) == left


@every_corruption
@every_severity
def test_an_image_does_not_depend_on_its_batch(corruption: Corruption, severity):
    scenes = scene(7), regions(7)
    draws = keys(7, severity)
    together = apply(corruption, *scenes, severity, draws)
    order = torch.tensor([4, 0, 6, 2, 1, 5, 3])
    shuffled = apply(corruption, *(part[order] for part in scenes), severity, draws[order])
    for i in range(7):
        alone = apply(corruption, *(part[i : i + 1] for part in scenes), severity, draws[i : i + 1])
        for part, complete, other in zip(alone, together, shuffled, strict=True):
            assert torch.equal(part[0], complete[i])
            assert torch.equal(complete[order], other)


@every_corruption
def test_chunks_and_threads_change_nothing(corruption: Corruption, monkeypatch):
    images, masks, draws = scene(7), regions(7), keys(7)
    with threads(2):
        expected = apply(corruption, images, masks, 3, draws)[0]
    with threads(1):
        for values in (1, 3 * images[0].numel()):
            monkeypatch.setattr("datamodules.corruptions.base.CHUNK", values)
            assert torch.equal(apply(corruption, images, masks, 3, draws)[0], expected)


@every_corruption
def test_memory_layout_changes_nothing(corruption: Corruption):
    images = scene(2)
    masks = regions(2)
    expected = apply(corruption, images, masks, 2, keys(2))[0]
    strided = torch.stack((images, images), -1)[..., 0]
    assert not strided.is_contiguous()
    for layout in (images.contiguous(memory_format=torch.channels_last), strided):
        assert torch.equal(apply(corruption, layout, masks, 2, keys(2))[0], expected)
    with torch.inference_mode():
        assert torch.equal(apply(corruption, images, masks, 2, keys(2))[0], expected)


@every_corruption
@every_severity
@pytest.mark.parametrize("level", [0, 255])
def test_takes_constant_images(corruption: Corruption, severity, level):
    images = torch.full((1, 3, 40, 40), level, dtype=torch.uint8)
    assert apply(corruption, images, regions(1, 40, 40), severity, keys(1))[0].shape == images.shape


@every_corruption
def test_takes_an_empty_batch(corruption: Corruption):
    images = torch.empty((0, 3, 32, 40), dtype=torch.uint8)
    masks = torch.empty((0, 32, 40), dtype=torch.int64)
    assert apply(corruption, images, masks, 1, keys(0).long())[0].shape == images.shape


@every_corruption
def test_grows_with_severity(corruption: Corruption):
    if corruption.name in NOT_MONOTONE:
        pytest.skip(NOT_MONOTONE[corruption.name])
    if corruption.has_region:
        pytest.skip("the region is drawn anew at each severity")
    images, masks = scene(8, 3, 96, 112), regions(8, 96, 112)
    errors = []
    for severity in range(1, 6):
        difference = apply(corruption, images, masks, severity, keys(8, severity))[0].double() - images.double()
        errors.append(difference.square().mean().item())
    psnr = [10 * math.log10(255**2 / error) for error in errors]
    assert psnr == sorted(psnr, reverse=True)
    assert len(set(psnr)) == 5


@every_corruption
@every_severity
def test_parameters_are_json(corruption: Corruption, severity):
    parameters = corruption.describe_parameters(severity)
    assert parameters
    assert json.loads(json.dumps(parameters)) == parameters
    assert parameters != corruption.describe_parameters(severity % 5 + 1)


@every_corruption
def test_says_what_it_is(corruption: Corruption):
    assert corruption.name.isidentifier()
    assert corruption.name == corruption.name.lower()
    assert corruption.family in get_args(Family)


@every_corruption
@pytest.mark.parametrize("severity", [0, 6, -1, 2.5, "3", None])
def test_refuses_other_severities(corruption: Corruption, severity):
    with pytest.raises(UserError, match=f"{corruption.name} has no severity"):
        apply(corruption, scene(), regions(), severity, keys(1))


@every_corruption
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(1, 3, 40, 40), "8-bit"),
        (torch.zeros(3, 40, 40, dtype=torch.uint8), "8-bit"),
        (torch.zeros(1, 3, 31, 40, dtype=torch.uint8), "31 x 40"),
        (torch.zeros(1, 3, 40, 31, dtype=torch.uint8), "40 x 31"),
        (torch.zeros(2, 3, 40, 40, dtype=torch.uint8), "one int64 key per image"),
    ],
)
def test_refuses_other_images(corruption: Corruption, images, message):
    with pytest.raises(UserError, match=message):
        apply(corruption, images, regions(), 1, keys(1))
