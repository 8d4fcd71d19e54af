"""Outputs of a network, interpolated to the native size of the image in strips."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

NUMBERS = 2**26
"""Numbers that are interpolated at once: 256 MB."""


def interpolate_levels(
    size: tuple[int, int], outputs: Tensor, levels: Callable[[Tensor], Tensor], dtype: torch.dtype = torch.uint8
) -> np.ndarray:
    """Levels (H, W) of logits or maps (1, K, h, w), which are interpolated to `size` bilinearly.

    Where all K of an image are too many, its height is interpolated for some columns at a time, after the width:
    each pixel is the same mean of the same four logits, up to the order in which torch adds them.

    Args:
        size: (H, W) of the image.
        outputs: logits or maps of the network.
        levels: (1, K, H, n) of some columns, or (1, K, n, W) of some rows, to whole numbers below 256, without (1, K).
        dtype: of the levels, where they are others.
    """
    found = np.empty(size, torch.empty((), dtype=dtype).numpy().dtype)
    for rows, columns, part in interpolate_parts(size, outputs):
        found[rows, columns] = levels(part).to(dtype).cpu().numpy()
    return found


def interpolate_parts(size: tuple[int, int], outputs: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Rows, columns, and the outputs there, interpolated to `size`; see `interpolate_levels`."""
    (height, width), classes, everything = size, outputs.shape[1], slice(None)
    if outputs.shape[2:] == size:
        for rows in _list_strips(height, NUMBERS // (classes * width)):
            yield rows, everything, outputs[:, :, rows]
    elif classes * height * width <= NUMBERS:
        yield everything, everything, F.interpolate(outputs, size, mode="bilinear")
    else:
        wide = F.interpolate(outputs.contiguous(), (outputs.shape[2], width), mode="bilinear")
        for columns in _list_strips(width, NUMBERS // (classes * height)):
            part = wide[..., columns].contiguous()
            yield everything, columns, F.interpolate(part, (height, part.shape[3]), mode="bilinear")


def _list_strips(length: int, step: int) -> Iterator[slice]:
    step = max(1, step)
    return (slice(start, min(start + step, length)) for start in range(0, length, step))
