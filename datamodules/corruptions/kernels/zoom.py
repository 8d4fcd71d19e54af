"""The mean of an image and its magnifications."""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil

import torch
from torch import Tensor

from datamodules.corruptions.kernels.row_sums import sum_rows

CPU_CAPACITY = 1 << 19  # values of magnified rows that fit the cache of a core
DEVICE_CAPACITY = 1 << 24  # of these on another device


def average_zooms(images: Tensor, factors: Sequence[float]) -> Tensor:
    """Mean of images and their magnifications around the centre, cropped to the top left part; rounded down.

    Magnifications equal those of `filters.clipped_zoom`, first of rows and then of columns, for a block of rows at a time.
    The channels of all images are contiguous, so that each pixel is a row of numbers; see `sum_rows`.

    Args:
        images: uint8 (B, C, H, W).
        factors: magnifications above 1.

    Returns:
        uint8 (B, C, H, W).
    """
    height, width = images.shape[2:]
    planes, count = images.shape[0] * images.shape[1], len(factors)
    capacity = CPU_CAPACITY if images.device.type == "cpu" else DEVICE_CAPACITY
    block = max(1, min(height, capacity // (count * width * planes)))
    levels = images.view(planes, height * width).to(torch.float32).t().contiguous().view(height, width * planes)
    row_places, row_weights = _compute_taps(height, tuple(factors), images.device)
    places, weights = _compute_column_taps(width, block, tuple(factors), images.device)
    result = images.new_empty((height, width * planes))
    for top in range(0, height, block):
        part = slice(top, min(top + block, height))
        pixels = (part.stop - part.start) * width
        magnified = sum_rows(levels, row_places[part].flatten(0, 1), row_weights[part].flatten(0, 1)).view(-1, planes)
        mean = sum_rows(magnified, places[:pixels], weights[:pixels]).view(-1, width * planes)
        # The image itself and its first magnification, by 1. A thousandth of a level keeps flat areas at their level.
        result[part] = mean.add_(levels[part], alpha=2 / (count + 2)).add_(1e-3).clamp_(max=255)
    return result.view(-1, planes).t().contiguous().view(images.shape)


def _compute_column_taps(
    width: int, rows: int, factors: tuple[float, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Indices, int32, and weights, float32, of the terms of each pixel of a block: (rows * width, 2 * factors).

    The magnified rows of the block have the layout (rows, factors, width).
    """
    places, weights = _compute_taps(width, factors, device)
    row, magnification = (torch.arange(number, dtype=torch.int32, device=device) for number in (rows, len(factors)))
    line = (places + magnification[:, None] * width).flatten(1)
    block = line + row[:, None, None] * (len(factors) * width)
    return block.flatten(0, 1), weights.flatten(1).div(len(factors) + 2).repeat(rows, 1)


@lru_cache(maxsize=16)
def _compute_taps(length: int, factors: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """The two neighbours of each position of each magnification, int32, and their weights, float32: (length, factors, 2)."""
    places, weights = [], []
    for factor in factors:
        crop = ceil(length / factor)
        size = round(crop * factor)
        at = torch.arange(length, dtype=torch.float64) * ((crop - 1) / (size - 1))
        before = at.floor().clamp(max=crop - 2)
        inside = at <= crop - 1  # a rounding error beyond, scipy takes 0
        places.append(torch.stack((before, before + 1), 1) + (length - crop) // 2)
        weights.append(torch.stack((before + 1 - at, at - before), 1) * inside[:, None])
    return torch.stack(places, 1).to(torch.int32).to(device), torch.stack(weights, 1).to(torch.float32).to(device)
