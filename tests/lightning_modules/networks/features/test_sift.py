import cv2
import numpy as np
import pytest

from experiments.measuring.photographs import load_photographs
from lightning_modules.networks.features.base import to_gray
from lightning_modules.networks.features.sift import Sift


def blob(sigma: float, row: int, column: int) -> np.ndarray:
    rows, columns = np.indices((96, 96))
    return (200 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))).round().astype(np.uint8)


@pytest.mark.parametrize("sigma", [3, 6])
def test_a_blob_is_one_keypoint_of_its_place_and_size(sigma: float) -> None:
    strongest = Sift().detect(blob(sigma, 40, 56))[0]
    assert strongest.pt == pytest.approx((56, 40), abs=0.5)
    assert strongest.size == pytest.approx(2 * sigma, rel=0.25)


def test_descriptors_have_norm_one_or_zero() -> None:
    image = np.zeros((64, 64), np.uint8)
    image[:, 40:] = 200
    keypoints = [cv2.KeyPoint(40, 32, 4, 0), cv2.KeyPoint(10, 32, 4, 0)]
    norms = np.linalg.norm(Sift().describe(image, keypoints), axis=1)
    assert norms.tolist() == pytest.approx([1, 0])


def test_the_energy_of_a_cell_is_one_or_zero() -> None:
    energy = (Sift()(load_photographs(1, 96)[0])[1:] ** 2).sum(0)
    np.testing.assert_allclose(energy, 1, atol=1e-5)
    half_flat = blob(3, 16, 16)
    energy = (Sift()(half_flat)[1:] ** 2).sum(0)
    assert set(np.unique(energy.round(5)).tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(("axis", "sign", "orientation"), [(1, 1, 0), (0, -1, 2), (1, -1, 4), (0, 1, 6)])
def test_a_ramp_has_one_orientation(axis: int, sign: int, orientation: int) -> None:
    """Eighths of a turn, counter-clockwise from brighter on the right."""
    ramp = np.broadcast_to(np.expand_dims(np.arange(0, 192, 2, dtype=np.uint8)[::sign], 1 - axis), (96, 96))
    maps = Sift()(ramp)[1:, 16:80, 16:80]
    np.testing.assert_allclose(maps[orientation], 1, atol=1e-3)
    assert np.delete(maps, orientation, axis=0).max() < 0.02


def test_a_cell_has_the_descriptor_of_its_middle() -> None:
    levels = to_gray(load_photographs(1, 64)[0])
    maps = Sift(step=16, bin=3)(levels)
    single = cv2.SIFT_create().compute(levels, [cv2.KeyPoint(24, 40, 2, 0)])[1][0].astype(float)
    single = (single / np.linalg.norm(single)).reshape(4, 4, 8)
    expected = np.sqrt((single**2).sum((0, 1)))
    np.testing.assert_allclose(maps[1:, 32:48, 16:32], np.broadcast_to(expected[:, None, None], (8, 16, 16)), atol=1e-6)
