"""Noise: grain of the sensor."""

from functools import lru_cache

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import JSON, Corruption
from datamodules.corruptions.random import normal_quantiles, random_bits


class GaussianNoise(Corruption):
    """Independent normal noise on every pixel and channel, as in low light (Hendrycks & Dietterich, ICLR 2019).

    The image is 8 bit and the reference rounds down, so its result is the level plus a whole number of levels. That
    number is looked up by a random 16-bit word: integers only, hence the same pixels on every device.
    """

    name = "gaussian_noise"
    family = "noise"
    standard_deviations = (0.08, 0.12, 0.18, 0.26, 0.38)
    """For each severity, as a share of the range."""

    @override
    def corrupt(self, images: Tensor, severity: int, keys: Tensor) -> Tensor:
        words = random_bits(keys, images.shape[1:])
        table = _normal_levels(self.standard_deviations[severity - 1], images.device)
        levels = table.index_select(0, words.view(-1)).view(images.shape)
        return levels.add_(images.to(torch.int16)).clamp_(0, 255).to(torch.uint8)

    @override
    def parameters(self, severity: int) -> dict[str, JSON]:
        return {"standard_deviation": self.standard_deviations[severity - 1]}


@lru_cache(maxsize=16)
def _normal_levels(standard_deviation: float, device: torch.device) -> Tensor:
    """int16 (65536,): normal noise in whole levels, rounded down."""
    return (normal_quantiles() * (255 * standard_deviation)).floor().to(torch.int16).to(device)
