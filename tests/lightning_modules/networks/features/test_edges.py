import numpy as np
import pytest
from scipy import ndimage

from experiments.measuring.photographs import load_photographs
from lightning_modules.networks.features.base import to_gray
from lightning_modules.networks.features.edges import Edges


def step() -> np.ndarray:
    image = np.zeros((32, 32), np.uint8)
    image[:, 16:] = 255
    return image


def test_a_step_is_one_line_and_has_the_full_magnitude() -> None:
    edges, magnitude = Edges(sigma=0)(step())
    assert edges.sum(1).tolist() == [1] * 32
    assert set(np.nonzero(edges)[1].tolist()) <= {15, 16}
    expected = np.zeros((32, 32), np.float32)
    expected[:, 15:17] = 1
    np.testing.assert_allclose(magnitude, expected, atol=1e-6)


def test_the_magnitude_is_that_of_sobel() -> None:
    levels = to_gray(load_photographs(1, 64)[0])
    gradients = [ndimage.sobel(levels.astype(float), axis, mode="nearest") for axis in (0, 1)]
    np.testing.assert_allclose(Edges(sigma=0)(levels)[1], np.minimum(np.hypot(*gradients) / 1020, 1), atol=1e-6)


@pytest.mark.parametrize("sigma", [0.7, 2.0])
def test_the_image_is_smoothed_first(sigma: float) -> None:
    levels = to_gray(load_photographs(1, 64)[0])
    smooth = ndimage.gaussian_filter(levels.astype(float), sigma, mode="mirror", truncate=3)
    gradients = [ndimage.sobel(smooth, axis, mode="nearest") for axis in (0, 1)]
    np.testing.assert_allclose(Edges(sigma=sigma)(levels)[1], np.hypot(*gradients) / 1020, atol=0.01)  # whole levels


def test_edges_are_ridges_of_the_magnitude_above_the_thresholds() -> None:
    edges, magnitude = Edges(low=60, high=120)(load_photographs(1, 128)[0])
    found = magnitude[edges == 1] * 1020
    assert len(found) > 100
    assert found.min() > 60
    labels, number = ndimage.label(edges, np.ones((3, 3)))
    strongest = ndimage.maximum(magnitude * 1020, labels, range(1, number + 1))
    assert strongest.min() > 120


def test_higher_thresholds_leave_fewer_edges() -> None:
    image = load_photographs(1, 128)[0]
    few, many = Edges(low=150, high=300)(image)[0], Edges()(image)[0]
    assert 0 < few.sum() < many.sum()
    assert (few <= many).all()
