"""Gradient noise at several scales."""

from math import ceil

import torch
from torch import Tensor

from datamodules.corruptions.kernels.soft_shapes import draw_directions


def draw_turbulence(keys: Tensor, height: int, width: int, cell: float, octaves: int) -> Tensor:
    """Turbulence: absolute gradient noise at octaves of a lattice, each of them half as strong as the one before.

    Perlin, "An Image Synthesizer" (SIGGRAPH 1985). The noise of an octave is a smooth interpolation between the scalar
    products of a random unit vector at each corner of a cell with the offset from that corner, times 1.5.

    Args:
        keys: int64 (B,), one per image.
        height: in pixels.
        width: in pixels.
        cell: side of a cell of the first octave, in pixels.
        octaves: their number; each draws a lattice of its own.

    Returns:
        float32 (B, H, W), at least 0.
    """
    total = torch.zeros((len(keys), height, width), device=keys.device)
    for octave in range(octaves):
        scale = 2.0**octave
        total += _draw_noise(keys, height, width, scale / cell, octave).abs_().mul_(1.5 / scale)
    return total


def _draw_noise(keys: Tensor, height: int, width: int, density: float, stream: int) -> Tensor:
    """float32 (B, H, W): gradient noise on a lattice of `density` cells per pixel; 0 at its corners."""
    lines = [torch.arange(side, dtype=torch.float32, device=keys.device).mul_(density) for side in (height, width)]
    cells = [line.floor() for line in lines]
    (down, right) = (line - cell for line, cell in zip(lines, cells, strict=True))
    down, right = down[:, None], right[None]
    rows, columns = (cell.to(torch.int64) for cell in cells)
    shape = (ceil(height * density) + 2, ceil(width * density) + 2)
    gradients = draw_directions(keys, shape, stream)  # (2, B, *shape)

    def project(below: int, beside: int) -> Tensor:
        along, across = gradients.index_select(2, rows + below).index_select(3, columns + beside)
        return along * (down - below) + across * (right - beside)

    fade_down, fade_right = (offset * offset * (3 - 2 * offset) for offset in (down, right))
    upper = _mix(project(0, 0), project(1, 0), fade_down)
    lower = _mix(project(0, 1), project(1, 1), fade_down)
    return _mix(upper, lower, fade_right)


def _mix(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """From `one` to `other`, the latter with `share`."""
    return (other - one).mul_(share).add_(one)
