"""Scrambled pixels: the source from which each pixel is copied."""

from functools import lru_cache

import torch
from torch import Tensor

from datamodules.corruptions.kernels.random import draw_bits

DOUBLINGS = 6  # follows chains of 64 copies; at most 27 of 64 copies continue, so one image in 1e17 has a longer chain


def find_scan_sources(keys: Tensor, height: int, width: int, reach: int, scans: int) -> Tensor:
    """The source of each pixel after scans in which every pixel copies a close one.

    A scan runs from the last row and column to the first. Each pixel takes the *current* value of the pixel at a random
    offset in -reach..reach - 1 (both ways); if the scan has already visited that pixel, this is the value that it copied. A
    border of `reach` pixels (one more at the top and left, one less at the bottom and right) is unchanged.

    The copies form a graph in which every pixel has one edge, to a pixel visited earlier or to an original. Following all
    edges in parallel by pointer doubling gives the result of the sequential scan.

    Args:
        keys: int64 (B,), one per image.
        height: of the image.
        width: of the image.
        reach: largest offset.
        scans: number of scans.

    Returns:
        int32 (B, H * W), indices into the image.
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
    """The source of each pixel after one scan.

    A pixel with a positive offset copies a pixel that was visited before, and thus the value that this one copied. All
    others end a chain: they copy an original, and pixels of the border copy themselves. Hence the source of a pixel is that
    of the end of its chain.

    Args:
        drawn: int32 (N,), the offset of each pixel; 0 outside the scanned area.
        places: int32 (N,), the index of each pixel.
        chains: whether an offset may be positive, which none is for a reach of 1.

    Returns:
        int32 (N,).
    """
    originals = drawn + places
    if not chains:
        return originals
    ends = drawn.clamp_(min=0).add_(places)
    for _ in range(DOUBLINGS):
        further = ends.index_select(0, ends)
        if drawn.device.type == "cpu" and torch.equal(
            further, ends
        ):  # on other devices the comparison costs more than the loop
            break
        ends = further
    return originals.index_select(0, ends)


@lru_cache(maxsize=8)
def _make_interior(height: int, width: int, reach: int, device: torch.device) -> Tensor:
    """int32 (H * W,): 1 within the scanned area."""
    inside = torch.zeros(height, width, dtype=torch.int32)
    inside[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1] = 1
    return inside.view(-1).to(device)


@lru_cache(maxsize=16)
def _list_offsets(width: int, reach: int, device: torch.device) -> Tensor:
    """int32 (4 reach^2,): every offset, as a difference of indices."""
    steps = torch.arange(-reach, reach, dtype=torch.int32)
    return (steps[:, None] * width + steps).view(-1).to(device)
