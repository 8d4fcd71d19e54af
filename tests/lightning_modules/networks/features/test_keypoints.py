import cv2
import numpy as np
import pytest

from experiments.measuring.photographs import load_photographs
from lightning_modules.networks.features.base import to_gray
from lightning_modules.networks.features.keypoints import KeypointFeature
from lightning_modules.networks.features.orb import Orb
from lightning_modules.networks.features.sift import Sift


@pytest.fixture(params=[Sift, Orb])
def feature(request: pytest.FixtureRequest) -> KeypointFeature:
    return request.param()


@pytest.fixture(scope="module")
def levels() -> np.ndarray:
    return to_gray(load_photographs(1, 128)[0])


def test_the_strongest_come_first(feature: KeypointFeature, levels: np.ndarray) -> None:
    responses = [one.response for one in feature.detect(levels)]
    assert len(responses) > 20
    assert responses == sorted(responses, reverse=True)


def test_the_map_marks_the_keypoints_and_nothing_else(feature: KeypointFeature, levels: np.ndarray) -> None:
    keypoints = feature.detect(levels)
    drawn = feature(levels)[0]
    covered = np.zeros(levels.shape, bool)
    for one in keypoints:
        column, row = round(one.pt[0]), round(one.pt[1])
        strength = float(feature.compute_strength(np.array(one.response)))
        assert drawn[row, column] >= np.float32(strength)
        covered[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = True
    assert not drawn[~covered].any()
    assert drawn.max() == pytest.approx(float(feature.compute_strength(np.array(keypoints[0].response))))


def test_a_mark_is_a_disc() -> None:
    drawn = Sift().draw([cv2.KeyPoint(4.4, 3.6, 5, 0, 0.05)], (9, 9))
    expected = np.zeros((9, 9), np.float32)
    expected[4, 4] = 0.5
    expected[2:7, 2:7] = 0.5 * cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    np.testing.assert_allclose(drawn, expected)
    assert drawn[4, 2] == drawn[2, 4] == pytest.approx(0.5)


def test_a_keypoint_beside_the_image_is_drawn_at_its_border() -> None:
    assert Sift().draw([cv2.KeyPoint(8.6, -0.7, 5, 0, 1.0)], (9, 9))[0, 8] == 1


def test_descriptors_follow_the_keypoints(feature: KeypointFeature, levels: np.ndarray) -> None:
    keypoints = feature.detect(levels)[:40]
    descriptors = feature.describe(levels, keypoints)
    assert len(descriptors) == len(keypoints)
    assert not feature.compute_distance(descriptors, descriptors).any()
    others = feature.describe(255 - levels, keypoints)
    distance = feature.compute_distance(descriptors, others)
    assert others.shape == descriptors.shape
    assert (distance > 0.2).all()
    assert (distance <= 1).all()


def test_no_keypoints_have_no_descriptors(feature: KeypointFeature, levels: np.ndarray) -> None:
    none = feature.describe(levels, [])
    assert none.shape == (0, feature.describe(levels, feature.detect(levels)[:1]).shape[1])
    assert feature.compute_distance(none, none).shape == (0,)
