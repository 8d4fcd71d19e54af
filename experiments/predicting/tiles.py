"""Which images are predicted tile by tile, and in which tiles."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.networks.ensembles.combination import TINY
from lightning_modules.networks.wrappers.sliding_window import SlidingWindow
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.tiling import TileGrid, make_grid
from user_error import UserError

Size = tuple[int, int]

LARGE = 2**22
"""Pixels beyond which an image is predicted in tiles: 2048 x 2048."""

TILE, OVERLAP = (1024, 1024), 0.25
"""Of the tiles that are chosen where none are asked for."""


class Tiles(NamedTuple):
    """How an image is predicted tile by tile.

    ``network`` predicts a tile, a `SlidingWindow`'s own network where its windows are the tiles; ``gaussian`` says how these
    are weighed, ``probabilities`` whether the mean is of them.
    """

    grid: TileGrid
    network: nn.Module
    gaussian: bool
    probabilities: bool

    def prepare(self, logits: Tensor) -> Tensor:
        """Logits (1, K, h, w) in the form of which the mean is taken."""
        return logits.float().softmax(1) if self.probabilities else logits.float()

    def finish(self, mean: Tensor) -> Tensor:
        """The mean as logits again."""
        return mean.clamp(min=TINY).log() if self.probabilities else mean


def choose_tiles(module: SegmentationModule, size: Size, tile: Size | None, overlap: float | None) -> Tiles | None:
    """The tiles of an image; `None` where it is predicted as a whole.

    A network of sliding windows keeps its own. One that resizes its images is given tiles of that size alone, and none by
    itself.

    Args:
        module: that predicts.
        size: (height, width) of the image.
        tile: (height, width) that was asked for; `None` for what is best.
        overlap: fraction of a tile that the next shares.

    Raises:
        UserError: the network takes no tiles of this size.
    """
    network = module.network
    if isinstance(network, SlidingWindow):
        return _keep_windows(network, size)
    sides = [one.only_side for one in network.modules() if isinstance(one, SegmentationNetwork) and one.only_side]
    fixed = _find_fixed_size(module, size) or ((sides[0], sides[0]) if sides else None)
    if tile is not None and fixed not in (None, tile):
        raise UserError(f"the network sees images of {fixed[0]} x {fixed[1]} alone: pass --tile {fixed[0]} {fixed[1]}")
    needless = math.prod(size) <= LARGE and not (sides and max(size) > sides[0])
    if tile is None and (needless or _find_fixed_size(module, size)):
        return None
    grid = make_grid(size, tile or fixed or TILE, OVERLAP if overlap is None else overlap, network)
    return None if grid.is_whole else Tiles(grid, network, True, False)


def require_tiles(module: SegmentationModule, size: Size | None, tile: Size | None, overlap: float | None) -> None:
    """Refuse tiles that no image could be cut into.

    Args:
        module: that predicts.
        size: (height, width) that images are resized to; their own if `None`.
        tile: (height, width) that was asked for.
        overlap: likewise, a fraction of the tile.

    Raises:
        UserError: they are out of range, or the checkpoint decides otherwise.
    """
    if tile is not None and min(tile) < 32:
        raise UserError(f"--tile is {tile[0]} {tile[1]}: give a height and a width of at least 32 pixels")
    if overlap is not None and not 0 <= overlap <= 0.75:
        raise UserError(f"--overlap is {overlap:g}: give a fraction of the tile from 0 to 0.75")
    if tile is None and overlap is None:
        return
    if isinstance(module.network, SlidingWindow):
        raise UserError("the checkpoint has windows of its own: leave --tile and --overlap out")
    if size is not None:
        raise UserError(
            f"tiles are cut from images of their own size, and the checkpoint resizes them to {size[0]} x {size[1]}: pass "
            "--native-size, too, or leave --tile and --overlap out"
        )


def _keep_windows(network: SlidingWindow, size: Size) -> Tiles | None:
    """A network's own windows as tiles, where the image is too large for its sums."""
    small = size[0] < network.window[0] or size[1] < network.window[1]
    if math.prod(size) <= LARGE or (network.pad and small):
        return None
    return Tiles(
        TileGrid(size, network.window, network.stride),
        network.network,
        network.weights == "gaussian",
        network.average == "probabilities",
    )


def _find_fixed_size(module: SegmentationModule, size: Size) -> Size | None:
    seen = torch.empty(1, 1, *size, dtype=torch.uint8)
    found = (one.find_fixed_size(seen) for one in module.network.modules() if isinstance(one, SegmentationNetwork))
    return next((one for one in found if one is not None), None)
