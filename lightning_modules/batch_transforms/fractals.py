"""Coloured pictures of random fractals, drawn by iterated function systems.

An iterated function system is a set of contracting affine maps of the plane; a point that a randomly chosen one of them
moves again and again runs over its attractor (the chaos game: Barnsley, "Fractals Everywhere", 1988). The maps are drawn by
their singular values, whose weighted sum decides how full the attractor is (Anderson & Farrell, "Improving Fractal
Pre-training", WACV 2022). The colour of a pixel says which maps its points came from, its opacity how many they are, as in
fractal flames (Draves, 1992); below lies a gradient of two colours.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

MAPS = (3, 8)
"""Range of the number of maps of a system."""
STRONGEST = 0.95
"""The largest singular value: below 1, so that every map contracts."""
WALKERS, SETTLING, STEPS = 1024, 20, 140
"""Points of a picture that move at once, their moves until they are on the attractor, and those that are counted."""


class Systems(NamedTuple):
    """Iterated function systems: matrices (P, M, 2, 2), offsets (P, M, 2), chances (P, M) and colours (P, M) of their maps."""

    matrix: Tensor
    offset: Tensor
    chance: Tensor
    colour: Tensor


@lru_cache(maxsize=8)
def find_fractals(number: int, seed: int, device: torch.device, side: int = 256) -> Tensor:
    """The pictures of `draw_fractals` on a device, drawn at the first call of a process alone; not to be modified."""
    with torch.autocast("cpu", enabled=False):  # the same pictures at every precision of a training
        return draw_fractals(number, seed, side).to(device)


def draw_fractals(number: int, seed: int, side: int = 256) -> Tensor:
    """Draw pictures that depend on their number and the seed alone, uint8 (number, 3, side, side)."""
    generator = torch.Generator().manual_seed(seed)
    density, colour = _play(draw_systems(number, generator), side, generator)
    phase, speed = torch.rand(2, number, 3, 1, 1, generator=generator)
    painted = 0.5 + 0.5 * torch.cos(2 * torch.pi * ((0.5 + speed) * colour[:, None] + phase))
    opacity = density.log1p() / density.flatten(1).amax(1).log1p()[:, None, None]
    picture = torch.lerp(_draw_gradients(number, side, generator), painted, opacity[:, None].sqrt())
    return (picture * 255).round().to(torch.uint8)


def draw_systems(number: int, generator: torch.Generator) -> Systems:
    """Draw systems of maps that are products of a rotation, singular values and another rotation or reflection."""
    most = MAPS[1]
    count = torch.randint(MAPS[0], most + 1, (number, 1), generator=generator)
    used = torch.arange(most) < count
    large = torch.rand(number, most, generator=generator)
    small = large * torch.rand(number, most, generator=generator)
    fullness = (5 + count + torch.rand(number, 1, generator=generator)) / 2
    scale = fullness / ((large + 2 * small) * used).sum(1, keepdim=True)
    values = torch.stack((large, small), -1).mul(scale[..., None]).clamp(max=STRONGEST)
    mirrored = 1.0 - 2.0 * torch.randint(2, (number, most), generator=generator)
    first, second = _make_rotations(2 * torch.pi * torch.rand(2, number, most, generator=generator))
    values = values * torch.stack((torch.ones_like(mirrored), mirrored), -1)
    matrix = first @ (values[..., None] * second)
    chance = values.prod(-1).abs().clamp(min=0.01) * used  # by area, so that the attractor is evenly covered
    offset = 2 * torch.rand(number, most, 2, generator=generator) - 1
    return Systems(matrix, offset, chance, torch.rand(number, most, generator=generator))


def _make_rotations(angle: Tensor) -> Tensor:
    """Matrices (..., 2, 2)."""
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack((torch.stack((cosine, -sine), -1), torch.stack((sine, cosine), -1)), -2)


def _play(systems: Systems, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The number of points in each pixel and the mean of their colours, (P, side, side) each."""
    number = len(systems.matrix)
    rows = torch.arange(number)[:, None]
    bounds = systems.chance.cumsum(1)
    maps = torch.cat((systems.matrix.flatten(2), systems.offset, systems.colour[..., None]), -1).flatten(0, 1)
    x, y, colour = torch.zeros(3, number, WALKERS)
    points, colours = torch.empty(STEPS, number, WALKERS, 2), torch.empty(STEPS, number, WALKERS)
    for step in range(-SETTLING, STEPS):
        level = torch.rand(number, WALKERS, generator=generator) * bounds[:, -1:]
        chosen = torch.searchsorted(bounds, level, right=True).clamp_(max=MAPS[1] - 1)
        a, b, c, d, right, down, own = maps[rows * MAPS[1] + chosen].unbind(-1)
        x, y, colour = a * x + b * y + right, c * x + d * y + down, (colour + own) / 2
        if step >= 0:
            points[step, ..., 0], points[step, ..., 1], colours[step] = x, y, colour
    # margins of a hundredth are cut off, or a few far points would make the rest small
    low, high = points[0].quantile(torch.tensor([0.01, 0.99]), 1)[:, :, None]
    place = points.sub_(low).mul_(side / (high - low).clamp(min=1e-6)).floor_().long()
    inside = ((place >= 0) & (place < side)).all(-1)
    pixel = ((rows * side + place[..., 1]) * side + place[..., 0])[inside]
    length = number * side * side
    counts = torch.bincount(pixel, minlength=length).view(number, side, side).float()
    sums = torch.bincount(pixel, colours[inside], minlength=length).view(number, side, side)
    return counts, sums / counts.clamp(min=1)


def _draw_gradients(number: int, side: int, generator: torch.Generator) -> Tensor:
    """Pictures (number, 3, side, side) that pass from one colour to another in a drawn direction."""
    start, end = torch.rand(2, number, 3, 1, 1, generator=generator)
    angle = 2 * torch.pi * torch.rand(number, 1, 1, generator=generator)
    axis = torch.linspace(-1, 1, side)
    along = (angle.cos() * axis + angle.sin() * axis[:, None]) / 2**1.5 + 0.5
    return torch.lerp(start, end, along[:, None])
