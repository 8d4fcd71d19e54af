"""Turbulence, against its definition at single points."""

import numpy as np
import torch
from scenes import keys

from datamodules.corruptions.kernels.perlin import draw_turbulence
from datamodules.corruptions.kernels.soft_shapes import draw_directions


def test_a_point_is_what_perlin_defines() -> None:
    height, width, cell, octaves = 40, 52, 8.0, 3
    drawn, found = keys(2), draw_turbulence(keys(2), height, width, cell, octaves)
    shapes = [(int(height * 2**n / cell) + 2, int(np.ceil(width * 2**n / cell)) + 2) for n in range(octaves)]
    gradients = [draw_directions(drawn, shape, n).double().numpy() for n, shape in enumerate(shapes)]
    for image, y, x in ((0, 3, 5), (1, 17, 46), (0, 39, 51), (1, 8, 16)):
        total = 0.0
        for octave in range(octaves):
            place = np.array([y, x]) * 2**octave / cell
            low = np.floor(place).astype(int)
            (v, u), noise = place - low, 0.0
            for down in (0, 1):
                for right in (0, 1):
                    gradient = gradients[octave][:, image, low[0] + down, low[1] + right]
                    weight = [t * t * (3 - 2 * t) for t in (v if down else 1 - v, u if right else 1 - u)]
                    noise += gradient @ (v - down, u - right) * weight[0] * weight[1]
            total += abs(1.5 * noise) / 2**octave
        assert abs(found[image, y, x].item() - total) < 1e-5


def test_corners_of_the_lattice_are_0() -> None:
    assert not draw_turbulence(keys(3), 32, 48, 8.0, 1)[:, ::8, ::8].any()
    assert torch.all(draw_turbulence(keys(3), 32, 48, 8.0, 5) >= 0)
