import numpy as np
import pytest

from experiments.measuring.photographs import load_photographs
from lightning_modules.networks.features.base import to_gray
from lightning_modules.networks.features.lbp import Lbp


def pattern(levels: np.ndarray, row: int, column: int, radius: int) -> int:
    """Of eight neighbours at one place, each interpolated bilinearly between repeated edges."""
    padded = np.pad(levels.astype(float), radius + 1, mode="edge")
    row, column = row + radius + 1, column + radius + 1
    bits = []
    for point in range(8):
        y = row - round(radius * np.sin(2 * np.pi * point / 8), 5)
        x = column + round(radius * np.cos(2 * np.pi * point / 8), 5)
        top, left = int(np.floor(y)), int(np.floor(x))
        down, right = y - top, x - left
        upper = (1 - right) * padded[top, left] + right * padded[top, left + 1]
        lower = (1 - right) * padded[top + 1, left] + right * padded[top + 1, left + 1]
        bits.append((1 - down) * upper + down * lower >= padded[row, column])
    changes = sum(bits[point] != bits[point - 1] for point in range(8))
    return sum(bits) if changes <= 2 else 9


@pytest.mark.parametrize("radius", [1, 2])
def test_patterns_are_those_of_a_plain_loop(radius: int) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (13, 17), dtype=np.uint8)
    expected = [[pattern(levels, row, column, radius) for column in range(17)] for row in range(13)]
    found = Lbp(radius=radius).compute_patterns(levels)
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found)) > 5


@pytest.mark.parametrize("window", [1, 5])
def test_histograms_are_shares_of_the_window(window: int) -> None:
    levels = to_gray(load_photographs(1, 48)[0])[:20, :24]
    lbp = Lbp(window=window)
    maps, patterns = lbp(levels), np.pad(lbp.compute_patterns(levels), window // 2, mode="edge")
    for row in range(20):
        for column in range(24):
            counts = np.bincount(patterns[row : row + window, column : column + window].ravel(), minlength=10)
            np.testing.assert_allclose(maps[:, row, column], counts / window**2, atol=1e-6)


def test_maps_sum_to_one() -> None:
    np.testing.assert_allclose(Lbp(points=12, radius=2)(load_photographs(1, 64)[0]).sum(0), 1, atol=1e-5)


def test_brighter_or_darker_is_the_same() -> None:
    levels = np.random.default_rng(0).integers(20, 120, (32, 32), dtype=np.uint8)
    np.testing.assert_array_equal(Lbp()(levels), Lbp()(2 * levels))


def test_a_flat_image_and_a_peak() -> None:
    flat = np.full((9, 9), 77, np.uint8)
    assert (Lbp(window=1).compute_patterns(flat) == 8).all()
    flat[4, 4] = 78
    assert Lbp(window=1).compute_patterns(flat)[4, 4] == 0
