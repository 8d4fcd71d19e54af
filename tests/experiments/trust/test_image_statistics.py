"""Each statistic of an image moves as its name says under what it is to recognise."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scenes import apply, keys, scene
from torch import Tensor

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.blur import DefocusBlur, MotionBlur
from datamodules.corruptions.digital import Contrast, JpegCompression
from datamodules.corruptions.lighting import LowLight, OverExposure
from datamodules.corruptions.noise import GaussianNoise, ImpulseNoise, ShotNoise
from experiments.trust.image_statistics import NAMES, compute_image_statistics


def read(images: Tensor, name: str) -> np.ndarray:
    return compute_image_statistics(images)[:, NAMES.index(name)].numpy()


def test_levels_are_those_of_numpy() -> None:
    images = scene(3, height=40, width=50)
    x = images.numpy() / 255
    grey = x.mean(1).reshape(3, -1)
    np.testing.assert_allclose(read(images, "level"), grey.mean(1), atol=1e-5)
    np.testing.assert_allclose(read(images, "contrast"), grey.std(1), atol=1e-5)
    np.testing.assert_allclose(read(images, "middle_level"), np.median(grey, 1), atol=1e-5)
    np.testing.assert_allclose(read(images, "saturation"), np.ptp(x, 1).mean((1, 2)), atol=1e-5)
    np.testing.assert_allclose(read(images, "dark_share"), (grey < 0.02).mean(1), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "name", "sign", "strongest"),
    [
        (GaussianNoise, "noise", 1, 5),
        (GaussianNoise, "diagonal_0", 1, 5),
        (ImpulseNoise, "tails", 1, 1),
        (ShotNoise, "noise_by_level", 1, 1),
        (DefocusBlur, "detail_0", -1, 5),
        (JpegCompression, "blocks", 1, 5),
        (Contrast, "contrast", -1, 5),
        (LowLight, "level", -1, 5),
        (OverExposure, "level", 1, 5),
        (MotionBlur, "detail_0", -1, 5),
    ],
)
def test_a_corruption_moves_a_statistic(make: Callable[[], Corruption], name: str, sign: int, strongest: int) -> None:
    """In most images; by most at the highest severity, unless noise is so dense there that it is no longer sparse or clipped."""
    images = scene(6, height=96, width=96)
    masks = torch.zeros(6, 96, 96, dtype=torch.long)
    corrupted = {severity: apply(make(), images, masks, severity, keys(6, severity))[0] for severity in (1, 5)}
    moved = {severity: np.median(sign * (read(one, name) - read(images, name))) for severity, one in corrupted.items()}
    assert moved[strongest] == max(moved.values())
    assert moved[strongest] > 0


def test_images_are_described_one_by_one() -> None:
    """Whatever their neighbours, their type, and the sizes that cannot be halved."""
    images = scene(3, height=37, width=41)
    found = compute_image_statistics(images)
    assert found.shape == (3, len(NAMES))
    torch.testing.assert_close(compute_image_statistics(images[1:2])[0], found[1])
    torch.testing.assert_close(compute_image_statistics(images / 255), found)
    for size in ((1, 1), (3, 200), (8, 8)):
        for levels in (torch.zeros(2, 3, *size, dtype=torch.uint8), torch.full((2, 1, *size), 255, dtype=torch.uint8)):
            assert compute_image_statistics(levels).isfinite().all()


def test_direction_follows_the_motion() -> None:
    """Stripes are all detail across."""
    stripes = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 200
    assert read(stripes, "direction_0") > 5
