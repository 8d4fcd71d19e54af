"""Squares of drawn size and place."""

import torch
from torch import Tensor


def draw_squares(side: tuple[float, float], number: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Draw a square in each image, whose middle is any pixel, so that it may reach beyond the border.

    Args:
        side: lowest and highest, relative to the shorter side of the image; uniformly distributed, at least one pixel.
        number: B.
        height: of the images, in pixels.
        width: of the images, in pixels.
        generator: on the CPU.

    Returns:
        bool (B, H, W): which pixels are inside.
    """
    share, down, along = torch.rand(3, number, 1, generator=generator)
    low, high = side
    length = ((low + (high - low) * share) * min(height, width)).round().clamp(min=1)
    inside = []
    for place, pixels in ((down, height), (along, width)):
        start = (place * pixels).floor() - (length / 2).floor()
        line = torch.arange(pixels)
        inside.append((line >= start) & (line < start + length))
    return inside[0][:, :, None] & inside[1][:, None, :]
