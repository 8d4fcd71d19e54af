"""Fewer, larger pixels, bit for bit as Pillow makes them, on any device."""

from functools import lru_cache
from itertools import accumulate, repeat

import cv2
import torch
from torch import Tensor

WEIGHT = 22  # bits behind the point of the weights of Pillow's resampling


def pixelate(images: Tensor, rows: int, columns: int) -> Tensor:
    """`images` shrunk by box means and enlarged again by repetition: Pillow's BOX and NEAREST.

    Pillow shrinks to whole levels along the columns' axis and then along the rows'. (From version 13 on it turns that
    order round for strong shrinking of images more than twice as high as wide, by which some levels differ by one.)

    Args:
        images: uint8 (B, C, H, W), contiguous.
        rows: number of large pixels from top to bottom.
        columns: number of large pixels from left to right.

    Returns:
        uint8 (B, C, H, W).
    """
    batch, channels, height, width = images.shape
    # A row is copied much faster than a column is picked, hence everything lies in rows when it is its turn.
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
    """uint8 (P, size, M): `planes`, uint8 (P, N, M), shrunk by rounded means over the rows that a new one covers."""
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
    """The pixels that Pillow's box filter takes when it shrinks `side` to `size`, in its float64 arithmetic.

    Returns:
        int64 (size,), the first pixel of each box; int32 (size,), the weight of its pixels with WEIGHT bits behind the
        point; uint8 (size,), 1 for boxes of one pixel more than the fewest, else 0, or `None` where all have as many;
        the fewest.
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
    """int64 (side,): the pixel that Pillow takes for each when it enlarges `size` to `side`; its sums, step by step."""
    scale = size / side
    return torch.tensor(
        [int(place) for place in accumulate(repeat(scale, side - 1), initial=0.5 * scale)], device=device
    )
