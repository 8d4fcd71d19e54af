"""Scrambled pixels: which pixel each one is copied from."""

from functools import lru_cache

import torch
from torch import Tensor

from datamodules.corruptions.random import random_bits

DOUBLINGS = 6  # follows chains of 64 copies; at most 27 of 64 copies go on, so one image in 1e17 has a longer one


def scan_sources(keys: Tensor, height: int, width: int, reach: int, scans: int) -> Tensor:
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
    places, inside = _places(height, width, reach, keys.device)
    offsets = _offsets(width, reach, keys.device)
    choices = random_bits(keys, (scans, pixels)).mul_(4 * reach * reach).bitwise_right_shift_(16)
    bases = torch.arange(0, images * pixels, pixels, dtype=torch.int32, device=keys.device)[:, None]
    sources = places.expand(images, -1)
    for scan in range(scans - 1, -1, -1):
        drawn = offsets.index_select(0, choices[:, scan].reshape(-1)).view(images, pixels).mul_(inside)
        earlier = _scanned(drawn, places, inside, bases, chains=reach > 1)
        sources = earlier.view(-1).index_select(0, (sources + bases).view(-1)).view_as(sources)
    return sources


def _scanned(drawn: Tensor, places: Tensor, inside: Tensor, bases: Tensor, chains: bool) -> Tensor:
    """Where each pixel comes from after one scan.

    Args:
        drawn: int32 (B, N), the offset of each pixel; 0 where the scan does not come by.
        places: int32 (N,), every place.
        inside: int32 (N,), 1 where the scan comes by.
        bases: int32 (B, 1), the first place of each image.
        chains: whether a pixel may copy one that was visited; within a reach of 1 none does.

    Returns:
        int32 (B, N), contiguous.
    """
    pixels = len(places)
    if not chains:
        return drawn + places
    # Node p < pixels stands for what p takes, node pixels + p for what p was before the scan.
    ends = drawn + places
    visited = inside.index_select(0, ends.view(-1)).view_as(ends)
    ends += (1 - visited * (drawn > 0)).mul_(pixels)
    nodes = torch.cat((ends, (places + pixels).expand_as(ends)), 1).add_(2 * bases)
    for _ in range(DOUBLINGS):
        nodes[:, :pixels] = nodes.view(-1).index_select(0, nodes[:, :pixels].reshape(-1)).view_as(ends)
    return nodes[:, :pixels] - (2 * bases + pixels)


@lru_cache(maxsize=8)
def _places(height: int, width: int, reach: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """int32 (H * W,): every place, and 1 where the scan comes by."""
    inside = torch.zeros(height, width, dtype=torch.int32)
    inside[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1] = 1
    places = torch.arange(height * width, dtype=torch.int32)
    return places.to(device), inside.view(-1).to(device)


@lru_cache(maxsize=16)
def _offsets(width: int, reach: int, device: torch.device) -> Tensor:
    """int32 (4 reach^2,): every offset, as a difference of places."""
    steps = torch.arange(-reach, reach, dtype=torch.int32)
    return (steps[:, None] * width + steps).view(-1).to(device)
