"""Brightness and contrast, against Pillow, bit for bit."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scenes import keys, scene

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.enhancement import BrightnessDown, BrightnessUp, ContrastDown, ContrastUp


@pytest.mark.parametrize("corruption", [BrightnessUp(), BrightnessDown(), ContrastUp(), ContrastDown()])
@pytest.mark.parametrize("channels", [1, 3])
def test_levels_are_those_of_pillow(corruption: Corruption, channels: int) -> None:
    images = scene(3, channels, 40, 56)
    kind = ImageEnhance.Brightness if corruption.name.startswith("brightness") else ImageEnhance.Contrast
    for severity, factor in enumerate(corruption.severities["factor"], 1):
        found = corruption(images, severity, keys(3))
        for image, levels in zip(images, found, strict=True):
            picture = Image.fromarray(image.permute(1, 2, 0).numpy() if channels == 3 else image[0].numpy())
            expected = np.asarray(kind(picture).enhance(factor))
            assert np.array_equal(levels.permute(1, 2, 0).numpy().squeeze(), expected)
