"""Operations on values, against Pillow on images of 8 bits."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from lightning_modules.batch_transforms.operations import photometric
from lightning_modules.batch_transforms.operations.spaces import RANDAUGMENT, TRIVIAL_AUGMENT

H, W = 21, 30


def scenes() -> Tensor:
    """Of 8 bits: one of a narrow range, one with a channel of one value, one of two levels, one of all."""
    draw = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (4, 3, H, W), generator=draw, dtype=torch.uint8)
    image[0] = image[0] // 4 + 90
    image[1, 1] = 77
    image[2] = image[2] // 128 * 200
    return image


def by_pillow(change: Callable[[Image.Image, float], Image.Image], strengths: list[float]) -> Tensor:
    found = [
        np.asarray(change(Image.fromarray(one.permute(1, 2, 0).numpy()), strength))
        for one, strength in zip(scenes(), strengths, strict=True)
    ]
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)


def enhance(kind: type) -> Callable[[Image.Image, float], Image.Image]:
    return lambda image, change: kind(image).enhance(1 + change)


BITS, THRESHOLDS, CHANGES = [8.0, 4.4, 1.6, 0.0], [1.1, 0.5, 100 / 255, 0.0], [0.0, -0.99, 0.4, 0.9]
CASES = {
    "autocontrast": (photometric.stretch_contrast, lambda image, _: ImageOps.autocontrast(image), CHANGES, 1),
    "equalize": (photometric.equalize, lambda image, _: ImageOps.equalize(image), CHANGES, 0),
    "posterize": (photometric.posterize, lambda image, bits: ImageOps.posterize(image, max(round(bits), 1)), BITS, 0),
    "solarize": (
        photometric.solarize,
        lambda image, one: ImageOps.solarize(image, int(255 * one + 0.5)),
        THRESHOLDS,
        0,
    ),
    "brightness": (photometric.change_brightness, enhance(ImageEnhance.Brightness), CHANGES, 1),
    "contrast": (photometric.change_contrast, enhance(ImageEnhance.Contrast), CHANGES, 1.5),
    "colour": (photometric.change_colour, enhance(ImageEnhance.Color), CHANGES, 1.5),
    "sharpness": (photometric.change_sharpness, enhance(ImageEnhance.Sharpness), CHANGES, 1.5),
}
"""Ours, Pillow's, strengths, and the levels by which they may differ, since Pillow rounds between its steps."""


@pytest.mark.parametrize("name", CASES)
def test_an_operation_is_pillows(name: str) -> None:
    change, reference, strengths, levels = CASES[name]
    image = scenes() / 255
    before = image.clone()
    found = change(image, torch.tensor(strengths).view(-1, 1, 1, 1))
    assert torch.equal(image, before)
    assert ((found >= 0) & (found <= 1)).all()
    expected = by_pillow(reference, strengths)
    assert (found * 255 - expected).abs().max() <= levels + 1e-3
    assert not torch.equal(expected, scenes())


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("name", CASES)
def test_images_of_other_channels(name: str, channels: int) -> None:
    """Each channel for itself, or by the mean of them; 4 of 3 equal ones are as one."""
    change, _, strengths, _ = CASES[name]
    grey = scenes()[:, :1] / 255
    strength = torch.tensor(strengths).view(-1, 1, 1, 1)
    found = change(grey.repeat(1, channels, 1, 1), strength)
    torch.testing.assert_close(found, change(grey, strength).repeat(1, channels, 1, 1))


def test_a_picture_too_small_to_smooth_stays() -> None:
    image = torch.rand(2, 3, 2, 9)
    assert torch.equal(photometric.change_sharpness(image, torch.full((2, 1, 1, 1), -1.0)), image)


@pytest.mark.parametrize("space", [RANDAUGMENT, TRIVIAL_AUGMENT], ids=["randaugment", "trivial_augment"])
def test_the_weakest_strength_changes_nothing(space: tuple) -> None:
    """But for autocontrast and equalize, which have no strength, and white, which solarize inverts from."""
    image = scenes().clamp(max=254) / 255
    for one in space:
        if hasattr(one, "change") and one.name not in ("autocontrast", "equalize"):
            strength = one.compute_strength(torch.zeros(4), torch.tensor([-1.0, 1, 1, -1])).view(-1, 1, 1, 1)
            torch.testing.assert_close(one.change(image, strength), image)
