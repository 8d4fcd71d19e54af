"""Tiles blended without ever holding an image's outputs, held against sums over the whole image."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules.networks.wrappers.sliding_window import list_corners, make_gaussian
from lightning_modules.tiling import Place, TileGrid, blend_tiles


def join(grid: TileGrid, read: object, features: int, **options: object) -> Tensor:
    """The outputs (F, H, W) of all places, which must cover each pixel once."""
    found = torch.full((features, *grid.size), torch.nan)
    for (rows, columns), values in blend_tiles(grid, read, features, **options):  # type: ignore[arg-type]
        assert found[:, rows, columns].isnan().all()
        assert values.shape == (features, rows.stop - rows.start, columns.stop - columns.start)
        found[:, rows, columns] = values
    assert not found.isnan().any()
    return found


grids = st.builds(
    lambda size, tile, part, align: TileGrid(
        size,
        tuple(align * side for side in tile),
        tuple(align * max(1, round(side * share)) for side, share in zip(tile, part, strict=True)),
        align,
    ),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    st.tuples(st.floats(0.3, 1), st.floats(0.3, 1)),
    st.integers(1, 4),
)


@given(grids, st.booleans(), st.integers(1, 2000))
def test_blended_tiles_are_the_weighted_mean_over_the_image(grid: TileGrid, gaussian: bool, numbers: int) -> None:
    """Of outputs that differ between tiles, whatever is in memory at a time."""

    def read(place: Place) -> Tensor:
        seed = place[0].start * 1000 + place[1].start
        shape = (2, place[0].stop - place[0].start, place[1].stop - place[1].start)
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    sums, weights = torch.zeros(2, *grid.size), torch.zeros(grid.size)
    for rows in grid.list_sides(0):
        for columns in grid.list_sides(1):
            assert rows.start % grid.align == columns.start % grid.align == 0
            values = read((rows, columns))
            weight = make_gaussian(tuple(values.shape[1:])) if gaussian else torch.ones(values.shape[1:])
            sums[:, rows, columns] += values * weight
            weights[rows, columns] += weight
    assert weights.min() > 0
    found = join(grid, read, 2, gaussian=gaussian, numbers=numbers)
    torch.testing.assert_close(found, sums / weights, rtol=1e-4, atol=1e-5)


@given(grids)
def test_tiles_that_are_not_aligned_lie_as_windows_do(grid: TileGrid) -> None:
    plain = TileGrid(grid.size, tuple(map(min, grid.tile, grid.size)), grid.step)  # type: ignore[arg-type]
    corners = [(rows.start, columns.start) for rows in plain.list_sides(0) for columns in plain.list_sides(1)]
    wanted = list_corners(grid.size, plain.tile, grid.step)
    if all(step <= tile for step, tile in zip(grid.step, plain.tile, strict=True)):
        assert corners == wanted


@pytest.mark.parametrize("align", [1, 8])
def test_a_network_of_bounded_sight_sees_no_seam(align: int) -> None:
    """Convolutions see 3 pixels: those farther from every border of a tile are as in the whole image."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(*(torch.nn.Conv2d(channels, 4, 3, padding=1) for channels in (3, 4, 4)))
    image, grid = torch.randn(3, 140, 180), TileGrid((140, 180), (64, 64), (48, 40), align)
    with torch.inference_mode():
        whole = network(image[None])[0]
        found = join(grid, lambda place: network(image[None, :, place[0], place[1]])[0], 4)
    near = np.zeros(grid.size, bool)
    for axis in (0, 1):
        lines = np.zeros(grid.size[axis], bool)
        for one in grid.list_sides(axis):
            for border in {one.start, one.stop} - {0, grid.size[axis]}:
                lines[max(0, border - 3) : border + 3] = True
        near |= lines[:, None] if axis == 0 else lines[None]
    assert 0 < near.mean() < 0.7
    torch.testing.assert_close(found[:, ~near], whole[:, ~near], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(found, whole, atol=1e-5)  # near a border a tile lacks what surrounds a pixel


def test_a_tile_as_large_as_the_image_is_the_image() -> None:
    image = torch.randn(2, 11, 13)
    ((place, values),) = blend_tiles(TileGrid((11, 13), (16, 16), (8, 8)), lambda place: image, 2)
    assert place == (slice(0, 11), slice(0, 13))
    assert values is image
