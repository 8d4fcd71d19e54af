"""Plasma: a random height map, rough at all scales."""

import torch
from torch import Tensor

from datamodules.corruptions.kernels.random import draw_bits

AMPLITUDE = 100.0


def draw_plasma(keys: Tensor, side: int, decay: float, stream: int = 0) -> Tensor:
    """Periodic height maps of the diamond-square algorithm (Fournier, Fussell & Carpenter, CACM 1982).

    As in the fog of Hendrycks & Dietterich (ICLR 2019), displacements are uniform in plus or minus the square of an
    amplitude, which begins at 100 and is divided by `decay` from level to level.

    Args:
        keys: int64 (B,), one per image.
        side: a power of two.
        decay: divisor of the amplitude from level to level; larger values are smoother.
        stream: number of the random field.

    Returns:
        float32 (B, side, side), from exactly 0 to exactly 1.
    """
    draws = draw_bits(keys, (side * side,), stream).to(torch.float32).sub_(32767.5)  # in units of 2 ** -15
    heights, amplitude, used = draws.new_zeros((len(keys), 1, 1)), AMPLITUDE, 0
    while heights.shape[1] < side:
        corners, length = heights, heights.shape[1]
        displaced = draws[:, used : used + 3 * length**2].mul_(amplitude**2 / 32768).view(-1, 3, length, length)
        squares, tops, lefts = displaced.unbind(1)
        rows = corners + corners.roll(-1, 1)
        squares.add_(rows + rows.roll(-1, 2), alpha=0.25)
        tops += (squares + squares.roll(1, 1) + (corners + corners.roll(-1, 2))) * 0.25
        lefts += (squares + squares.roll(1, 2) + rows) * 0.25
        heights = corners.new_empty((len(keys), 2 * length, 2 * length))
        cells = heights.view(-1, length, 2, length, 2)
        for part, row, column in ((corners, 0, 0), (tops, 0, 1), (lefts, 1, 0), (squares, 1, 1)):
            cells[:, :, row, :, column] = part
        used, amplitude = used + 3 * length**2, amplitude / decay
    lowest, highest = (edge(heights, (1, 2), keepdim=True) for edge in (torch.amin, torch.amax))
    return heights.sub_(lowest).div_(highest - lowest)
