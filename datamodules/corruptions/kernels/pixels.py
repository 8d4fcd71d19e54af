"""Pixelation identical to Pillow's, bit for bit, on any device."""

from functools import lru_cache
from itertools import accumulate, repeat

import cv2
import torch
from torch import Tensor

WEIGHT = 22  # fractional bits of the weights of Pillow's resampling


def pixelate(images: Tensor, rows: int, columns: int) -> Tensor:
    """`images` shrunk by box means and enlarged again by repetition: Pillow's BOX and NEAREST.

    Pillow rounds to integer levels after shrinking along the horizontal axis and again after the vertical one. (From
    version 13 on it reverses that order for strong shrinking of images more than twice as high as wide, which changes
    some levels by one.)

    Args:
        images: uint8 (B, C, H, W), contiguous.
        rows: number of large pixels from top to bottom.
        columns: number of large pixels from left to right.

    Returns:
        uint8 (B, C, H, W).
    """
    batch, channels, height, width = images.shape
    # Selecting rows is much faster than selecting columns, hence the transpositions.
    lines = _transpose(images.view(-1, width))
    lines = _transpose(_average_boxes(lines[None], columns)[0])
    small = _average_boxes(lines.view(-1, height, columns), rows)
    lines = _transpose(small.view(-1, columns)).index_select(0, _find_nearest(columns, width, images.device))
    wide = _transpose(lines).view(batch, channels, rows, width)
    return wide.index_select(2, _find_nearest(rows, height, images.device))


def _transpose(matrix: Tensor) -> Tensor:
    """uint8 (N, M), contiguous: `matrix`, uint8 (M, N), transposed; OpenCV is several times faster than torch."""
    if matrix.device.type != "cpu":
        return matrix.T.contiguous()
    return torch.from_numpy(cv2.transpose(matrix.numpy()))


def _average_boxes(planes: Tensor, size: int) -> Tensor:
    """uint8 (P, size, M): `planes`, uint8 (P, N, M), shrunk to rounded means over boxes of rows."""
    first, weights, longer, fewest = _compute_boxes(planes.shape[1], size, planes.device)
    sums = planes.index_select(1, first).to(torch.int16)
    for row in range(1, fewest):
        sums += planes.index_select(1, first + row).to(torch.int16)
    if longer is not None:
        last = (first + fewest).clamp_(max=planes.shape[1] - 1)
        sums += planes.index_select(1, last).mul_(longer[:, None]).to(torch.int16)
    means = sums.to(torch.int32).mul_(weights[:, None]).add_(1 << (WEIGHT - 1))
    return means.bitwise_right_shift_(WEIGHT).to(torch.uint8)


@lru_cache(maxsize=32)
def _compute_boxes(side: int, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor | None, int]:
    """The boxes of pixels of Pillow's box filter for shrinking `side` to `size`, by its float64 arithmetic.

    Returns:
        int64 (size,), the first pixel of each box; int32 (size,), the weight of its pixels with WEIGHT fractional bits;
        uint8 (size,), 1 for boxes with one pixel more than the smallest, else 0, or `None` where all sizes are equal; the
        size of the smallest box.
    """
    scale = side / size
    centres = (torch.arange(size, dtype=torch.float64) + 0.5) * scale
    first = (centres - 0.5 * scale + 0.5).to(torch.int64)
    end = (centres + 0.5 * scale + 0.5).to(torch.int64).clamp_(max=side)
    pixels = first[:, None] + torch.arange(int(scale) + 3)
    distances = (pixels - centres[:, None] + 0.5) * (1.0 / scale)
    inside = (distances > -0.5) & (distances <= 0.5) & (pixels < end[:, None])
    first += inside.int().argmax(1)
    counts = inside.sum(1)
    fewest = int(counts.min())
    longer = (counts - fewest).to(torch.uint8).to(device) if counts.max() > fewest else None
    weights = ((1.0 / counts.to(torch.float64)) * (1 << WEIGHT) + 0.5).to(torch.int32)
    return first.to(device), weights.to(device), longer, fewest


@lru_cache(maxsize=32)
def _find_nearest(size: int, side: int, device: torch.device) -> Tensor:
    """int64 (side,): source pixel of each pixel when Pillow enlarges `size` to `side`, by its cumulative sums."""
    scale = size / side
    return torch.tensor(
        [int(place) for place in accumulate(repeat(scale, side - 1), initial=0.5 * scale)], device=device
    )
