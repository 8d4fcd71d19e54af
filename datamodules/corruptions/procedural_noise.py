"""Waves, rings, plasma and turbulence that a formula draws over the image.

Four of the corruptions of ImageNet-C-bar (Mintun, Kirillov & Xie, "On Interaction Between Augmentations and Corruptions in
Natural Corruption Robustness", NeurIPS 2021), with its parameters. Where these are relative to the side of its square images
they are relative to the shorter side here. Results are rounded down. Sines, angles and powers come from tables.
"""

from math import pi

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.perlin import draw_turbulence
from datamodules.corruptions.kernels.random import draw_bits
from datamodules.corruptions.kernels.soft_shapes import draw_between
from datamodules.corruptions.kernels.tables import (
    STEPS,
    compute_cosines,
    compute_sines,
    compute_turns,
    look_up_sines,
)


class SingleFrequencyGreyscale(Corruption):
    """One added plane wave, of a random frequency and direction (Mintun et al., NeurIPS 2021).

    One of the two frequencies, along rows or along columns, is uniform up to half a period per pixel, and the other
    one uniform up to the first. The phase of a pixel is an integer, so that all devices agree.
    """

    name = "single_frequency_greyscale"
    family = "noise"
    exact = True
    severities = declare(intensity=(19.6, 29.4, 39.2, 88.2, 98.0))
    """Amplitude of the wave, in levels of 255."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, intensity: float) -> Tensor:
        height, width = images.shape[2:]
        words = draw_bits(keys, (4,)).to(torch.int64)
        faster = words[:, 0] - STEPS // 2  # in units of 1 / STEPS periods per pixel
        slower = words[:, 1] * (2 * faster.abs() + 1) // STEPS - faster.abs()
        first = words[:, 3] % 2 == 0
        down, right = torch.where(first, faster, slower), torch.where(first, slower, faster)
        rows, columns = (torch.arange(side, device=images.device) for side in (height, width))
        phases = (down[:, None, None] * rows[:, None] + right[:, None, None] * columns).add_(words[:, 2, None, None])
        wave = look_up_sines(phases).mul_(intensity)[:, None]
        return (images + wave).clamp_(0, 255).to(torch.uint8)


class CocentricSineWaves(Corruption):
    """Wavy rings around a random place (Mintun et al., NeurIPS 2021, who spell the name so).

    Along a radius the added levels rise from ring to ring and fall back at once; a sine of the angle bends the rings.
    Width, waviness and number of waves are random.
    """

    name = "cocentric_sine_waves"
    family = "noise"
    severities = declare(intensity=(38.4, 64.0, 102.4, 115.2, 128.0))
    """Range of the added levels, of 255."""
    constants = declare(most=0.1, waves=10)
    """Largest width of a ring and largest amplitude of its waves, relative to the shorter side; most waves along a ring."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, intensity: float, most: float, waves: float) -> Tensor:
        height, width = images.shape[2:]
        side = min(height, width)
        draws = draw_between(0, 1, keys, (5, 1, 1), stream=0)
        rows, columns = (torch.arange(length, dtype=torch.float32, device=keys.device) for length in (height, width))
        down, right = torch.broadcast_tensors(rows[:, None] - draws[:, 0] * height, columns - draws[:, 1] * width)
        bend = compute_sines(compute_turns(right, down).mul_(draws[:, 2] * waves)).mul_(draws[:, 3] * (most * side))
        distance = (down * down).add_(right * right).sqrt_().add_(bend)
        ring = draws[:, 4] * (most * side)
        within = distance.div_(ring)
        rise = within.sub_(within.floor()).sub_(0.5).mul_(intensity)[:, None]
        return (images + rise).clamp_(0, 255).to(torch.uint8)


class PlasmaNoise(Corruption):
    """A colourful plasma over the image, folded by sines again and again (Mintun et al., NeurIPS 2021).

    Of more or fewer channels than three the first gets the red layer, the second the green one and so on in turn.
    """

    name = "plasma_noise"
    family = "noise"
    severities = declare(intensity=(30.4, 44.8, 54.4, 59.2, 64.0))
    """Amplitude of the plasma, in levels of 255; the image is weakened by the same share of its range."""
    constants = declare(scales=(0.075, 0.2), folds=(4, 6))
    """Smallest and largest unit of length, relative to the shorter side; least and most folds."""

    @override
    def corrupt(
        self, images: Tensor, keys: Tensor, *, intensity: float, scales: tuple[float, float], folds: tuple[int, int]
    ) -> Tensor:
        channels, height, width = images.shape[1:]
        draws = draw_between(0, 1, keys, (4, 1, 1), stream=0)
        time, sharpness = draws[:, 0] * (6 * pi), draws[:, 1] * 0.5 + 0.5
        unit = (draws[:, 2] * (scales[1] - scales[0]) + scales[0]) * min(height, width)
        number = (draws[:, 3] * (folds[1] - folds[0] + 1)).floor_() + folds[0]
        rows, columns = (torch.arange(side, dtype=torch.float32, device=keys.device) for side in (height, width))
        x, y = (part.contiguous() for part in torch.broadcast_tensors(columns / unit, rows[:, None] / unit))
        frequency, slowness, damping = 1.0, 1.0, torch.ones_like(time)
        for fold in range(folds[1]):
            phase = time / slowness
            right = compute_cosines((y * frequency + phase).mul_(1 / (2 * pi))) / damping
            down = compute_sines((x * frequency + phase).mul_(1 / (2 * pi))) / damping
            going_on = number > fold
            x = torch.where(going_on, x + right - 0.3 * down, x)
            y = torch.where(going_on, y + down + 0.3 * right, y)
            frequency, slowness, damping = frequency * 1.93, slowness * 1.15, damping * (2.25 - sharpness)
        middle = (x + y + compute_sines(time / (2 * pi))).mul_(0.5)
        layers = [compute_sines(angle / (2 * pi)) for angle in (x - time, middle, y + time)]
        plasma = torch.stack([layers[channel % 3] for channel in range(channels)], 1).mul_(intensity)
        return plasma.add_(images * (1 - intensity / 255)).clamp_(0, 255).to(torch.uint8)


class PerlinNoise(Corruption):
    """A bright veil of turbulence (Mintun et al., NeurIPS 2021); see `draw_turbulence`."""

    name = "perlin_noise"
    family = "noise"
    severities = declare(opacity=(0.23, 0.26, 0.29, 0.38, 0.44))
    constants = declare(cells=7, octaves=5)
    """Cells of the first octave along the shorter side."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, opacity: float, cells: int, octaves: int) -> Tensor:
        height, width = images.shape[2:]
        veil = draw_turbulence(keys, height, width, min(height, width) / cells, octaves)
        veil = veil.mul_(0.5).add_(0.5).clamp_(0, 1).mul_(255 * opacity)[:, None]
        return (images * (1 - opacity)).add_(veil).clamp_(0, 255).to(torch.uint8)
