"""Noise of the sensor."""

from functools import lru_cache

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.random import compute_normal_quantiles, draw_bits

QUANTILE_BITS = 12  # bits of a random word that choose among the quantiles of a Poisson distribution
PLACES = 20  # bits behind the point of a factor of speckle


class GaussianNoise(Corruption):
    """Independent normal noise on every pixel and channel, as in low light (Hendrycks & Dietterich, ICLR 2019).

    The image is 8 bit and the reference rounds down, so its result is the level plus a whole number of levels. That
    number is looked up by a random 16-bit word: integers only, hence the same pixels on every device.
    """

    name = "gaussian_noise"
    family = "noise"
    exact = True
    severities = declare(standard_deviation=(0.08, 0.12, 0.18, 0.26, 0.38))
    """Relative to the range."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, standard_deviation: float) -> Tensor:
        words = draw_bits(keys, images.shape[1:])
        table = _make_level_table(standard_deviation, images.device)
        levels = table.index_select(0, words.view(-1)).view(images.shape)
        return levels.add_(images.to(torch.int16)).clamp_(0, 255).to(torch.uint8)


class ShotNoise(Corruption):
    """Each level becomes a count of photons, Poisson distributed (Hendrycks & Dietterich, ICLR 2019).

    White stands for `photons` photons on average and more count as white. There are 256 levels, so the count is looked
    up by the level and a random 12-bit word in a table of quantiles. The result's mean for a level is off by 0.03 levels
    at most, its standard deviation by 0.1.
    """

    name = "shot_noise"
    family = "noise"
    exact = True
    severities = declare(photons=(60, 25, 12, 5, 3))
    """Expected number of photons at white."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, photons: int) -> Tensor:
        words = draw_bits(keys, images.shape[1:]).bitwise_right_shift_(16 - QUANTILE_BITS)
        entries = words.add_(images.to(torch.int32), alpha=1 << QUANTILE_BITS)
        table = make_poisson_table(photons, images.device)
        return table.index_select(0, entries.view(-1)).view(images.shape)


class ImpulseNoise(Corruption):
    """Salt and pepper: values replaced by 0 or 255, half each (Hendrycks & Dietterich, ICLR 2019).

    Channels are replaced independently, so that the noise in colour images is coloured.
    """

    name = "impulse_noise"
    family = "noise"
    exact = True
    severities = declare(amount=(0.03, 0.06, 0.09, 0.17, 0.27))
    """Ratio of the values that are replaced."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, amount: float) -> Tensor:
        words = draw_bits(keys, images.shape[1:]).to(torch.int16)  # the upper half wraps round to negative numbers
        unchanged = (1 << 15) - round(amount * (1 << 15))
        beyond = words.sub_(words.clamp(-unchanged, unchanged - 1)).clamp_(-1, 1)
        return beyond.mul_(255).add_(images.to(torch.int16)).clamp_(0, 255).to(torch.uint8)


class SpeckleNoise(Corruption):
    """Normal noise in proportion to the level, as of coherent light or radar (Hendrycks & Dietterich, ICLR 2019).

    Rounded down like the reference, in fixed-point arithmetic.
    """

    name = "speckle_noise"
    family = "noise"
    exact = True
    severities = declare(standard_deviation=(0.15, 0.2, 0.35, 0.45, 0.6))
    """Relative to the level."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, standard_deviation: float) -> Tensor:
        words = draw_bits(keys, images.shape[1:])
        table = _make_factor_table(standard_deviation, images.device)
        factors = table.index_select(0, words.view(-1)).view(images.shape)
        levels = factors.mul_(images.to(torch.int32)).bitwise_right_shift_(PLACES)
        return levels.clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=16)
def _make_level_table(standard_deviation: float, device: torch.device) -> Tensor:
    """int16 (65536,): normal noise in whole levels, rounded down."""
    return (compute_normal_quantiles() * (255 * standard_deviation)).floor().to(torch.int16).to(device)


@lru_cache(maxsize=16)
def _make_factor_table(standard_deviation: float, device: torch.device) -> Tensor:
    """int32 (65536,): normal factors around 1, with PLACES bits behind the point; 255 of them stay below 2 ** 31."""
    factors = 1 + compute_normal_quantiles() * standard_deviation
    return (factors * (1 << PLACES)).round().to(torch.int32).to(device)


@lru_cache(maxsize=16)
def make_poisson_table(photons: int, device: torch.device) -> Tensor:
    """uint8 (256 << SHARES,): for each level, the noisy levels at the middles of 1 << SHARES equal shares."""
    expected = torch.arange(256, dtype=torch.float64)[:, None] * (photons / 255)
    counts = torch.arange(photons, dtype=torch.float64)
    cumulated = torch.special.gammaincc(counts + 1, expected)  # probability of at most that many photons
    ends = (cumulated * (1 << QUANTILE_BITS) - 0.5).ceil()
    repeats = torch.diff(ends, prepend=torch.zeros(256, 1), append=torch.full((256, 1), 1 << QUANTILE_BITS))
    # float64 and rounded down, as in the reference: 255 * 7 / 12 and the like decide between two levels.
    levels = (torch.arange(photons + 1, dtype=torch.float64) / photons * 255).to(torch.uint8)
    return levels.repeat(256).repeat_interleave(repeats.view(-1).to(torch.int64)).to(device)
