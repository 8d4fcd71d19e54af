"""Plasma: a random height map, rough at all scales."""

import torch
from torch import Tensor

from datamodules.corruptions.random import uniforms

AMPLITUDE = 100.0


def plasma(keys: Tensor, side: int, decay: float, stream: int = 0) -> Tensor:
    """Periodic height maps of the diamond-square algorithm (Fournier, Fussell & Carpenter, CACM 1982).

    As in the fog of Hendrycks & Dietterich (ICLR 2019), displacements are uniform in plus or minus the square of an
    amplitude, which begins at 100 and is divided by `decay` from level to level.

    Args:
        keys: int64 (B,), one per image.
        side: a power of two.
        decay: what the amplitude is divided by; larger is smoother.
        stream: number of the random field.

    Returns:
        float32 (B, side, side), from exactly 0 to exactly 1.
    """
    draws = uniforms(keys, (side * side,), stream).mul_(2).sub_(1)
    heights, amplitude, used = draws.new_zeros((len(keys), 1, 1)), AMPLITUDE, 0
    while heights.shape[1] < side:
        corners, number = heights, heights.shape[1] ** 2
        squares, tops, lefts = (
            draws[:, used + place * number :][:, :number].view_as(corners) * amplitude**2 for place in range(3)
        )
        rows = corners + corners.roll(-1, 1)
        squares += (rows + rows.roll(-1, 2)) * 0.25
        tops += (squares + squares.roll(1, 1) + (corners + corners.roll(-1, 2))) * 0.25
        lefts += (squares + squares.roll(1, 2) + rows) * 0.25
        upper = torch.stack((corners, tops), 3).flatten(2)
        lower = torch.stack((lefts, squares), 3).flatten(2)
        heights = torch.stack((upper, lower), 2).flatten(1, 2)
        used, amplitude = used + 3 * number, amplitude / decay
    lowest, highest = (edge(heights, (1, 2), keepdim=True) for edge in (torch.amin, torch.amax))
    return (heights - lowest) / (highest - lowest)
