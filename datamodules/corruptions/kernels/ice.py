"""Procedural ice: feathers and needles of frost on a window, drawn once and cached."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, pi, radians, sqrt, tan

import torch
from torch import Tensor

from datamodules.corruptions.kernels.filters import gaussian_filter
from datamodules.corruptions.kernels.plasma import draw_plasma
from datamodules.corruptions.kernels.random import draw_normals, draw_uniforms

SIZE = (544, 736)
MEAN, DEVIATION = 146.0, 32.0
SPREAD = 2.4
"""Range of the directions of neighbouring crystals, in radians."""
TINT = (-18.0, 3.0, 15.0)
"""Offsets of red, green and blue, in levels; they decrease for brighter ice."""


@dataclass(frozen=True)
class Growth:
    """Shape of crystals; lengths in pixels."""

    number: int
    lengths: tuple[float, float]
    slenderness: float
    """Half the width of a crystal, relative to its length."""
    pitch: float
    """Distance of neighbouring barbs along the stem."""
    lean: float
    """Angle between stem and barbs, in degrees."""


PLATES = (
    (Growth(300, (70, 150), 0.26, 6.0, 50), Growth(500, (30, 70), 0.3, 4.5, 45)),
    (Growth(260, (60, 170), 0.07, 9.0, 20), Growth(600, (30, 80), 0.09, 6.0, 25)),
    (Growth(160, (120, 220), 0.2, 7.0, 58), Growth(700, (24, 60), 0.3, 4.0, 50)),
    (Growth(500, (40, 90), 0.16, 5.0, 35), Growth(900, (16, 44), 0.3, 4.0, 45)),
)


@lru_cache(maxsize=len(PLATES))
def draw_plate(number: int) -> Tensor:
    """uint8 (3, *SIZE): a frosted window in red, green and blue, with mean `MEAN` and standard deviation `DEVIATION`."""
    key = torch.tensor([number])
    haze = _draw_haze(key)
    relief = haze.clone()
    for place, growth in enumerate(PLATES[number]):
        _grow(relief, growth, key, stream=16 * (place + 1))
    relief = _standardise(_standardise(relief + 0.3 * haze).clamp_(-2.5, 2.5))
    tints = torch.tensor(TINT)[:, None, None] * (1 - relief / 5)
    return (MEAN + DEVIATION * relief + tints).round_().clamp_(0, 255).to(torch.uint8)


def _standardise(relief: Tensor) -> Tensor:
    """Standardise `relief` to mean 0 and variance 1, by sums of integers, which do not depend on the number of threads."""
    steps, number = (relief * 4096).round_().to(torch.int64), relief.numel()
    mean = int(steps.sum()) / number
    variance = int(steps.square().sum()) / number - mean**2
    return (relief - mean / 4096) * (4096 / sqrt(variance))


def _draw_haze(key: Tensor) -> Tensor:
    """float32 (H, W): frost of varying thickness, with ridges at several scales, longer along one direction."""
    height, width = SIZE
    relief = draw_plasma(key, 1024, 1.9)[0, :height, :width]
    for octave, sigma in enumerate((1.0, 2.0, 4.0)):
        rows, columns = 0.8 * sigma, 1.25 * sigma
        field = gaussian_filter(draw_normals(key, SIZE, stream=octave + 1)[0], (rows, columns))
        relief = relief - field.abs_() * (0.2 * sqrt(4 * pi * rows * columns))  # ridges where a field changes its sign
    return relief


def _grow(relief: Tensor, growth: Growth, key: Tensor, stream: int) -> None:
    """Draw crystals onto `relief`, later ones over earlier ones."""
    shortest, longest = growth.lengths
    draws = draw_uniforms(key, (6, growth.number), stream)[0]
    lengths, _ = (shortest + (longest - shortest) * draws[0] ** 2).sort(descending=True)
    middles = draws[1:3] * torch.tensor(relief.shape)[:, None]
    bends, lights = (draws[4] - 0.5) * 0.8, 0.6 + 0.8 * draws[5]
    winds = draw_plasma(key, 1024, 3.0, stream + 2)[0]
    angles = 8 * winds[middles[0].long(), middles[1].long()] + SPREAD * (draws[3] - 0.5)
    barbs = draw_uniforms(key, (growth.number, 2, ceil(longest / growth.pitch) + 2), stream + 1)[0]
    for place in range(growth.number):
        length = float(lengths[place])
        reach = ceil(length * (0.5 + growth.slenderness)) + 1
        top, left = (int(middle) - reach for middle in middles[:, place])
        rows = slice(max(0, top), max(0, min(relief.shape[0], top + 2 * reach)))
        columns = slice(max(0, left), max(0, min(relief.shape[1], left + 2 * reach)))
        down = torch.arange(rows.start - top - reach, rows.stop - top - reach, dtype=torch.float32)[:, None]
        right = torch.arange(columns.start - left - reach, columns.stop - left - reach, dtype=torch.float32)
        along = right * angles[place].cos() + down * angles[place].sin()
        across = down * angles[place].cos() - right * angles[place].sin()
        across = across + bends[place] * along.square() / length
        opacity, light = _draw_crystal(along + length / 2, across, length, growth, barbs[place])
        relief[rows, columns].lerp_(light * lights[place], opacity)


def _draw_crystal(along: Tensor, across: Tensor, length: float, growth: Growth, barbs: Tensor) -> tuple[Tensor, Tensor]:
    """Opacity and brightness of a crystal, by the coordinates along and across its stem."""
    aside = across.abs()
    rooted = (along - aside / tan(radians(growth.lean))) / growth.pitch  # where a barb leaves the stem
    index = rooted.floor().clamp_(0, barbs.shape[1] - 1).to(torch.int64)
    left, right = barbs[0][index], barbs[1][index]
    longest = torch.where(across > 0, left, right).mul_(0.5).add_(0.5)
    tip = (1 - rooted * (growth.pitch / length)).clamp_(0, 1)
    breadth = growth.slenderness * length * tip.pow(0.7) * longest
    ridge = 1 - (2 * (rooted - rooted.floor()) - 1).abs()
    stem = torch.exp(-aside / 1.2)
    inside = (breadth - aside + 0.5).clamp_(0, 1) * (rooted > 0)
    light = torch.maximum(ridge * (1 - 0.5 * aside / breadth.clamp(min=1)), stem) * 1.6 + 0.2
    return inside * 0.75, light
