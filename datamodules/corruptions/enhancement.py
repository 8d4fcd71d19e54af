"""Brightness and contrast by a factor, as image editors change them.

Four corruptions of MedMNIST-C (Di Salvo, Doerrich & Ledig, 2024), which changes levels by Pillow; so do these, bit for bit, for
RGB and grey images. Severities are those of its dermatoscopic images.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare

LUMA = (19595, 38470, 7471)
"""Weights of red, green and blue in Pillow's grey, out of 65536."""


class _Brightness(Corruption):
    """Levels times a factor, rounded down."""

    family = "digital"
    exact = True

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, factor: float) -> Tensor:
        table = _make_table(factor, images.device)[:256]  # blended with black
        return table.index_select(0, images.view(-1).to(torch.int32)).view(images.shape)


class BrightnessUp(_Brightness):
    """Brighter by a factor (Di Salvo et al., 2024); `Brightness` adds to the value instead."""

    name = "brightness_up"
    severities = declare(factor=(1.1, 1.2, 1.3, 1.4, 1.5))


class BrightnessDown(_Brightness):
    """Darker by a factor (Di Salvo et al., 2024); `LowLight` darkens linear light instead, with its noise."""

    name = "brightness_down"
    severities = declare(factor=(0.9, 0.8, 0.7, 0.6, 0.5))


class _Contrast(Corruption):
    """Distances of levels from the mean grey times a factor, rounded down.

    The grey of an image of other channels than three is their mean.
    """

    family = "digital"
    exact = True

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, factor: float) -> Tensor:
        middle = _find_mean_grey(images).to(torch.int32)[:, None, None, None]
        entries = images.to(torch.int32).add_(middle * 256)
        return _make_table(factor, images.device).index_select(0, entries.view(-1)).view(images.shape)


class ContrastUp(_Contrast):
    """More contrast (Di Salvo et al., 2024)."""

    name = "contrast_up"
    severities = declare(factor=(1.1, 1.2, 1.3, 1.4, 1.6))


class ContrastDown(_Contrast):
    """Less contrast (Di Salvo et al., 2024); `Contrast` keeps the mean of each channel instead."""

    name = "contrast_down"
    severities = declare(factor=(0.8, 0.7, 0.6, 0.5, 0.4))


def _find_mean_grey(images: Tensor) -> Tensor:
    """int64 (B,): mean grey level, rounded; in integers."""
    if images.shape[1] == 3:
        weights = torch.tensor(LUMA, device=images.device)[:, None, None]
        grey = (images.to(torch.int64) * weights).sum(1).add_(1 << 15).bitwise_right_shift_(16)
    else:
        grey = images.sum(1, dtype=torch.int64).div_(images.shape[1], rounding_mode="floor")
    pixels = grey.shape[1] * grey.shape[2]
    return (2 * grey.sum((1, 2)) + pixels).div_(2 * pixels, rounding_mode="floor")


@lru_cache(maxsize=16)
def _make_table(factor: float, device: torch.device) -> Tensor:
    """uint8 (65536,): what level x becomes about the level m, at 256 m + x; in the single precision of Pillow."""
    middle, level = np.arange(256, dtype=np.float32)[:, None], np.arange(256, dtype=np.float32)
    blended = middle + np.float32(factor) * (level - middle)
    return torch.from_numpy(blended.clip(0, 255).astype(np.uint8).reshape(-1)).to(device)
