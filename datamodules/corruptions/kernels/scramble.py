"""Scrambled pixels: which pixel each one is copied from."""

from functools import lru_cache

import torch
from torch import Tensor

from datamodules.corruptions.kernels.random import draw_bits

DOUBLINGS = 6  # follows chains of 64 copies; at most 27 of 64 copies go on, so one image in 1e17 has a longer one


def find_scan_sources(keys: Tensor, height: int, width: int, reach: int, scans: int) -> Tensor:
    """Where each pixel comes from after scans in which every pixel copies one that is close.

    A scan runs from the last row and column to the first. Each pixel takes the *current* value of the pixel at a random
    offset in -reach..reach - 1 (both ways): of one that the scan has visited already, what that one took. A border of
    `reach` pixels (one more at the top and left, one less at the bottom and right) stays as it is.

    Who took what from whom is a graph in which every pixel has one arrow, to a pixel visited earlier or to an original.
    Following all arrows at once, twice as far each time, gives the result of the sequential scan.

    Args:
        keys: int64 (B,), one per image.
        height: of the image.
        width: of the image.
        reach: largest offset.
        scans: how often.

    Returns:
        int32 (B, H * W), places in the image.
    """
    images, pixels = len(keys), height * width
    offsets = _list_offsets(width, reach, keys.device)
    choices = draw_bits(keys, (scans, pixels)).mul_(4 * reach * reach).bitwise_right_shift_(16)
    inside = _make_interior(height, width, reach, keys.device)
    places = torch.arange(images * pixels, dtype=torch.int32, device=keys.device)  # of all images, end to end
    sources = places
    for scan in range(scans - 1, -1, -1):
        drawn = offsets.index_select(0, choices[:, scan].reshape(-1))
        drawn.view(images, pixels).mul_(inside)
        taken = _scan(drawn, places, chains=reach > 1)
        sources = taken.index_select(0, sources) if scan < scans - 1 else taken
    bases = torch.arange(0, images * pixels, pixels, dtype=torch.int32, device=keys.device)
    return sources.view(images, pixels) - bases[:, None]


def _scan(drawn: Tensor, places: Tensor, chains: bool) -> Tensor:
    """Where each pixel comes from after one scan.

    A pixel with an offset that leads on was preceded by the pixel there, and takes what that one took. Others end a chain:
    they take an original, the border itself. So a pixel takes what the end of its chain takes.

    Args:
        drawn: int32 (N,), the offset of each pixel; 0 where the scan does not come by.
        places: int32 (N,), every place.
        chains: whether an offset may lead on; within a reach of 1 none does.

    Returns:
        int32 (N,).
    """
    originals = drawn + places
    if not chains:
        return originals
    ends = drawn.clamp_(min=0).add_(places)
    for _ in range(DOUBLINGS):
        further = ends.index_select(0, ends)
        if drawn.device.type == "cpu" and torch.equal(further, ends):  # elsewhere to look would cost more than to go on
            break
        ends = further
    return originals.index_select(0, ends)


@lru_cache(maxsize=8)
def _make_interior(height: int, width: int, reach: int, device: torch.device) -> Tensor:
    """int32 (H * W,): 1 where the scan comes by."""
    inside = torch.zeros(height, width, dtype=torch.int32)
    inside[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1] = 1
    return inside.view(-1).to(device)


@lru_cache(maxsize=16)
def _list_offsets(width: int, reach: int, device: torch.device) -> Tensor:
    """int32 (4 reach^2,): every offset, as a difference of places."""
    steps = torch.arange(-reach, reach, dtype=torch.int32)
    return (steps[:, None] * width + steps).view(-1).to(device)
