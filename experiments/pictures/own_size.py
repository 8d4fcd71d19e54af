"""What a network says of an image, brought to the image's own size a strip at a time."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

NUMBERS = 2**26
"""Of those that are brought to an image's size at once: 256 MB."""


def levels_at(size: tuple[int, int], said: Tensor, levels: Callable[[Tensor], Tensor]) -> np.ndarray:
    """Levels (H, W) uint8 of logits or maps (1, K, h, w), which are interpolated to `size` bilinearly.

    Where all K of an image are too many, its height is interpolated for some columns at a time, after the width:
    each pixel is the same mean of the same four logits, up to the order in which torch adds them.

    Args:
        size: (H, W) of the image.
        said: what the network gave.
        levels: (1, K, H, n) of some columns, or (1, K, n, W) of some rows, to whole numbers below 256, without (1, K).
    """
    found = np.empty(size, np.uint8)
    for rows, columns, part in _parts(size, said):
        found[rows, columns] = levels(part).to(torch.uint8).cpu().numpy()
    return found


def _parts(size: tuple[int, int], said: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Rows, columns, and what `said` is there."""
    (height, width), classes, everything = size, said.shape[1], slice(None)
    if said.shape[2:] == size:
        for rows in _strips(height, NUMBERS // (classes * width)):
            yield rows, everything, said[:, :, rows]
    elif classes * height * width <= NUMBERS:
        yield everything, everything, F.interpolate(said, size, mode="bilinear")
    else:
        wide = F.interpolate(said.contiguous(), (said.shape[2], width), mode="bilinear")
        for columns in _strips(width, NUMBERS // (classes * height)):
            part = wide[..., columns].contiguous()
            yield everything, columns, F.interpolate(part, (height, part.shape[3]), mode="bilinear")


def _strips(length: int, step: int) -> Iterator[slice]:
    step = max(1, step)
    return (slice(start, min(start + step, length)) for start in range(0, length, step))
