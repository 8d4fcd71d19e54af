import numpy as np
import pytest

from experiments.measuring.photographs import load_photographs
from lightning_modules.networks.features.hog import Hog


def histograms(image: np.ndarray, orientations: int, cell: int) -> np.ndarray:
    """Gradients of each cell by orientation, one pixel after the other; those at the border are not known."""
    height, width, channels = image.shape
    levels = image.astype(float)
    cells = np.zeros((height // cell, width // cell, orientations))
    for row in range(height):
        for column in range(width):
            best = (0.0, 0.0, 0.0)
            for channel in range(channels):
                down = (
                    levels[row + 1, column, channel] - levels[row - 1, column, channel] if 0 < row < height - 1 else 0
                )
                along = (
                    levels[row, column + 1, channel] - levels[row, column - 1, channel] if 0 < column < width - 1 else 0
                )
                if np.hypot(down, along) > best[0]:
                    best = (float(np.hypot(down, along)), float(down), float(along))
            angle = np.degrees(np.arctan2(best[1], best[2])) % 180
            which = int(angle // (180 / orientations)) % orientations
            cells[row // cell, column // cell, which] += best[0] / cell**2
    return cells


def l2_hys(block: np.ndarray) -> np.ndarray:
    clipped = np.minimum(block / np.sqrt((block**2).sum() + 1e-10), 0.2)
    return clipped / np.sqrt((clipped**2).sum() + 1e-10)


def by_loop(image: np.ndarray, orientations: int, cell: int, block: int) -> np.ndarray:
    cells = histograms(image, orientations, cell)
    found: dict[tuple[int, int], list[np.ndarray]] = {}
    for row in range(cells.shape[0] - block + 1):
        for column in range(cells.shape[1] - block + 1):
            normalised = l2_hys(cells[row : row + block, column : column + block])
            for down in range(block):
                for right in range(block):
                    found.setdefault((row + down, column + right), []).append(normalised[down, right])
    maps = np.zeros((orientations, *image.shape[:2]))
    for (row, column), values in found.items():
        mean = np.mean(values, axis=0)[:, None, None]
        maps[:, row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = mean
    return maps


@pytest.mark.parametrize(("orientations", "cell", "block"), [(9, 8, 2), (4, 4, 3), (6, 8, 1)])
def test_cells_are_those_of_a_plain_loop(orientations: int, cell: int, block: int) -> None:
    image = load_photographs(1, 48)[0][:32, :40]
    expected = by_loop(image, orientations, cell, block)
    np.testing.assert_allclose(Hog(orientations, cell, block)(image), expected, atol=1e-6)


def test_odd_sizes_repeat_the_edge() -> None:
    image = load_photographs(1, 48)[0][:33, :47]
    padded = np.pad(image, ((0, 7), (0, 1), (0, 0)), mode="edge")
    np.testing.assert_array_equal(Hog()(image), Hog()(padded)[:, :33, :47])


@pytest.mark.parametrize(("axis", "orientation"), [(1, 0), (0, 2)])
def test_stripes_have_one_orientation(axis: int, orientation: int) -> None:
    """Of four orientations the first is that of horizontal gradients, the third that of vertical ones."""
    ramp = np.broadcast_to(np.expand_dims(np.arange(0, 128, 4, dtype=np.uint8), 1 - axis), (32, 32))
    maps = Hog(orientations=4)(ramp)
    assert maps[orientation].min() > 0.4
    assert not np.delete(maps, orientation, axis=0).any()
