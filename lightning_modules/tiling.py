"""Prediction of large images tile by tile: overlapping tiles, blended, of which a band is in memory at a time."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.networks.wrappers.sliding_window import make_gaussian

Size = tuple[int, int]
Place = tuple[slice, slice]

NUMBERS = 2**25
"""Numbers that are summed at once: 128 MB."""

Read = Callable[[Place], Tensor]
"""The outputs (F, h, w) of an image, float, for a tile at some place."""


@dataclass(frozen=True)
class TileGrid:
    """Where tiles lie.

    Tiles begin at multiples of `align`, so that a network with strides sees each as a part of the whole image: the last of
    a row or column begins at the last such place from which it covers the end, and may be smaller than the others.

    Args:
        size: (height, width) of the image.
        tile: (height, width) of a tile.
        step: (height, width) from one to the next.
        align: multiple at which tiles begin.
    """

    size: Size
    tile: Size
    step: Size
    align: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether one tile holds the image."""
        return self.tile[0] >= self.size[0] and self.tile[1] >= self.size[1]

    def list_sides(self, axis: int) -> list[slice]:
        """The rows (axis 0) or columns (axis 1) of the tiles."""
        side, tile, step = self.size[axis], self.tile[axis], self.step[axis]
        if tile >= side:
            return [slice(0, side)]
        last = math.ceil((side - tile) / self.align) * self.align
        return [slice(start, min(start + tile, side)) for start in [*range(0, last, step), last]]


def make_grid(size: Size, tile: Size, overlap: float, network: nn.Module) -> TileGrid:
    """Tiles of an image for a network, at multiples of its strides.

    Args:
        size: (height, width) of the image.
        tile: (height, width), rounded up to multiples of the strides.
        overlap: fraction of a tile that it shares with the next, at least.
        network: that sees the tiles.
    """
    align = find_alignment(network)
    rows, columns = (math.ceil(side / align) * align for side in tile)
    steps = [max(align, math.floor(side * (1 - overlap) / align) * align) for side in (rows, columns)]
    return TileGrid(size, (rows, columns), (steps[0], steps[1]), align)


def find_alignment(network: nn.Module) -> int:
    """The least common multiple of the strides of a network."""
    return math.lcm(*(one.stride for one in network.modules() if isinstance(one, SegmentationNetwork)), 1)


def blend_tiles(
    grid: TileGrid, read: Read, features: int, *, gaussian: bool = True, numbers: int = NUMBERS
) -> Iterator[tuple[Place, Tensor]]:
    """The weighted means (F, h, w) of overlapping tiles, place by place; places cover the image once.

    Weights fall off from the middle of a tile as a Gaussian does, so that a tile counts least at its borders, where its
    network sees least of what surrounds a pixel.

    Args:
        grid: of the tiles.
        read: outputs of a tile.
        features: F.
        gaussian: whether weights are; otherwise all are 1.
        numbers: that are summed at once; where a band of tiles from left to right holds more, it is cut into stripes, and
            tiles that reach into two of them are read twice.
    """
    rows, columns = grid.list_sides(0), grid.list_sides(1)
    if len(rows) == len(columns) == 1:
        yield (rows[0], columns[0]), read((rows[0], columns[0]))
        return
    for stripe in _cut_stripes(
        [one.start for one in columns], grid.size[1], max(1, numbers // (features * grid.tile[0]))
    ):
        yield from _blend_stripe(grid, rows, columns, stripe, read, gaussian)


def _cut_stripes(starts: Sequence[int], end: int, most: int) -> Iterator[slice]:
    """Columns that are finished together, each from where a tile begins, at most `most` or a tile's own."""
    begin = starts[0]
    for start, following in zip(starts, [*starts[1:], end], strict=True):
        if following - begin > most and start > begin:
            yield slice(begin, start)
            begin = start
    yield slice(begin, end)


def _blend_stripe(
    grid: TileGrid, rows: Sequence[slice], columns: Sequence[slice], stripe: slice, read: Read, gaussian: bool
) -> Iterator[tuple[Place, Tensor]]:
    """The means of a stripe of columns, from the top to where the next tiles begin, and on."""
    inside = [one for one in columns if one.start < stripe.stop and one.stop > stripe.start]
    sums: Tensor | None = None  # of the outputs, and behind them of the weights
    for row, bottom in zip(rows, [*(one.start for one in rows[1:]), grid.size[0]], strict=True):
        for column in inside:
            outputs = read((row, column))
            weight = _make_weight(outputs, gaussian)
            if sums is None:
                sums = outputs.new_zeros(len(outputs) + 1, grid.tile[0], stripe.stop - stripe.start)
            left, right = max(column.start, stripe.start), min(column.stop, stripe.stop)
            own, there = (
                slice(left - column.start, right - column.start),
                slice(left - stripe.start, right - stripe.start),
            )
            band = sums[:, : row.stop - row.start, there]
            band[:-1] += outputs[..., own] * weight[:, own]
            band[-1] += weight[:, own]
        assert sums is not None
        done = bottom - row.start
        yield (slice(row.start, bottom), stripe), sums[:-1, :done] / sums[-1, :done]
        sums = _shift(sums, done)


def _shift(total: Tensor, rows: int) -> Tensor:
    """Sums (..., h, w) without their first rows, with zeros behind the last."""
    kept = total[..., rows:, :]
    return torch.cat([kept, total.new_zeros(*total.shape[:-2], rows, total.shape[-1])], -2)


def _make_weight(outputs: Tensor, gaussian: bool) -> Tensor:
    size = (outputs.shape[-2], outputs.shape[-1])
    return make_gaussian(size).to(outputs.device) if gaussian else torch.ones(size, device=outputs.device)
