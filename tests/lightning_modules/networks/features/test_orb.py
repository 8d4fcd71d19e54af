import cv2
import numpy as np
import pytest

from experiments.measuring.photographs import load_photographs
from lightning_modules.networks.features.base import to_gray
from lightning_modules.networks.features.orb import Orb


@pytest.fixture(scope="module")
def levels() -> np.ndarray:
    return to_gray(load_photographs(1, 128)[0])


def test_the_response_map_is_what_orb_ranks_by(levels: np.ndarray) -> None:
    orb = Orb()
    finest = [one for one in orb.detect(levels) if one.octave == 0]
    response = orb(levels)[1]
    assert len(finest) > 20
    for one in finest:
        column, row = (int(place) for place in one.pt)
        assert response[row, column] == pytest.approx(max(0, one.response) ** 0.25, abs=1e-4)


def harris(levels: np.ndarray, row: int, column: int) -> float:
    """At one place, from Sobel's masks and the plain sums of their products."""
    along = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    gradients = []
    for down in range(-3, 4):
        for right in range(-3, 4):
            patch = levels[row + down - 1 : row + down + 2, column + right - 1 : column + right + 2].astype(float)
            gradients.append([(along * patch).sum(), (along.T * patch).sum()])
    x, y = np.array(gradients).T / (4 * 7 * 255)
    return (x * x).sum() * (y * y).sum() - (x * y).sum() ** 2 - 0.04 * ((x * x).sum() + (y * y).sum()) ** 2


def test_the_response_is_that_of_harris(levels: np.ndarray) -> None:
    response = Orb()(levels)[1]
    for row in range(8, 120, 9):
        for column in range(8, 120, 9):
            assert response[row, column] == pytest.approx(max(0, harris(levels, row, column)) ** 0.25, abs=2e-3)


def test_the_corners_of_a_square_are_found_and_its_edges_are_not() -> None:
    image = np.zeros((64, 64), np.uint8)
    image[20:44, 20:44] = 200
    keypoints, response = Orb()(image)
    for row in (20, 43):
        for column in (20, 43):
            assert keypoints[row - 2 : row + 3, column - 2 : column + 3].any()
            assert response[row, column]
    assert not keypoints[28:36, :].any()
    assert not response[32, 20]


@pytest.mark.parametrize("number", [1, 20])
def test_no_more_keypoints_than_asked_for(levels: np.ndarray, number: int) -> None:
    assert len(Orb(keypoints=number, levels=1).detect(levels)) == number


@pytest.mark.parametrize(("side", "levels"), [(1, 1), (7, 1), (8, 1), (9, 2), (20, 6), (25, 7), (26, 8), (500, 8)])
def test_small_images_have_fewer_levels(side: int, levels: int) -> None:
    assert Orb().make_detector(np.zeros((side, 600), np.uint8)).getNLevels() == levels


def test_unrelated_descriptors_differ_in_half_their_bits() -> None:
    first, second = np.random.default_rng(0).integers(0, 256, (2, 200, 32), dtype=np.uint8)
    distance = Orb().compute_distance(first, second)
    assert distance.mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(
        distance, [cv2.norm(a, b, cv2.NORM_HAMMING) / 256 for a, b in zip(first, second, strict=True)]
    )
