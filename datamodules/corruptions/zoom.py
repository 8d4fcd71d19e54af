"""The mean of an image and its magnifications."""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil

import torch
from torch import Tensor

from datamodules.corruptions.row_sums import row_sums

CACHED = 1 << 18  # values of magnified rows that stay in the cache of a core
HELD = 1 << 24  # of these on another device


def zoom_mean(images: Tensor, factors: Sequence[float]) -> Tensor:
    """Mean of images and their magnifications around the middle, cropped to the top left part; rounded down.

    Every magnification is that of `filters.clipped_zoom`: first the rows, then the columns, a block of rows at a time. The
    channels of all images lie side by side, so that a pixel, too, is a row of numbers; see `row_sums`.

    Args:
        images: uint8 (B, C, H, W).
        factors: magnifications above 1.

    Returns:
        uint8 (B, C, H, W).
    """
    batch, channels, height, width = images.shape
    planes, count = batch * channels, len(factors)
    levels = images.view(planes, height * width).to(torch.float32).t().contiguous().view(height, width * planes)
    row_places, row_weights = _taps(height, tuple(factors), images.device)
    places, weights = _taps(width, tuple(factors), images.device)
    places = (places + torch.arange(0, count * width, width, dtype=torch.int32, device=images.device)[:, None]).flatten(1)
    weights = weights.flatten(1) / (count + 2)
    held = CACHED if images.device.type == "cpu" else HELD
    block = max(1, min(height, held // (count * width * planes)))
    places = (torch.arange(block, dtype=torch.int32, device=images.device)[:, None, None] * (count * width) + places).flatten(
        0, 1
    )
    weights = weights.repeat(block, 1)
    result = images.new_empty((height, width * planes))
    for top in range(0, height, block):
        part = slice(top, min(top + block, height))
        size = part.stop - part.start
        magnified = row_sums(levels, row_places[part].flatten(0, 1), row_weights[part].flatten(0, 1))
        sums = row_sums(magnified.view(-1, planes), places[: size * width], weights[: size * width]).view(size, -1)
        # The image itself and its first magnification, by 1. A thousandth of a level keeps flat areas on their level.
        result[part] = sums.add_(levels[part], alpha=2 / (count + 2)).add_(1e-3).clamp_(max=255)
    return result.view(-1, planes).t().contiguous().view(images.shape)


@lru_cache(maxsize=16)
def _taps(length: int, factors: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Which two places each place of each magnification lies between: int32 and, as weights, float32 (length, factors, 2)."""
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
