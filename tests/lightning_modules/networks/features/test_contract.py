"""One contract for every classical feature."""

from dataclasses import FrozenInstanceError, fields
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import ROOT
from family_classes import list_family_classes

from experiments.measuring.photographs import load_photographs
from lightning_modules.networks import features
from lightning_modules.networks.features.base import Feature
from lightning_modules.networks.features.edges import Edges
from lightning_modules.networks.features.hog import Hog
from lightning_modules.networks.features.lbp import Lbp
from lightning_modules.networks.features.orb import Orb
from lightning_modules.networks.features.sift import Sift
from user_error import UserError

KINDS = [kind for kind in list_family_classes(features, Feature) if kind.__name__ != "Surf"]
SIZES = [(64, 64), (33, 47), (65, 40), (9, 9), (2, 3), (1, 1), (1, 70)]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def feature(request: pytest.FixtureRequest) -> Feature:
    return request.param()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [(), (1,), (3,), (5,)])
def test_shape_type_and_range(feature: Feature, size: tuple[int, int], channels: tuple[int, ...]) -> None:
    maps = feature(noise(*size, *channels))
    assert maps.shape == (feature.channels, *size)
    assert maps.dtype == np.float32
    assert maps.flags.c_contiguous
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_the_range_is_used(feature: Feature) -> None:
    maps = feature(load_photographs(1, 128)[0])
    assert (maps.max((1, 2)) > 0.1).all()
    assert (maps.std((1, 2)) > 0.005).all()


def test_gray_is_one_channel_and_three_equal_ones(feature: Feature) -> None:
    gray = noise(33, 47)
    np.testing.assert_array_equal(feature(gray), feature(gray[..., None]))
    np.testing.assert_array_equal(feature(gray), feature(gray[..., None].repeat(3, axis=2)))


def test_equal_images_have_equal_features(feature: Feature) -> None:
    image = load_photographs(1, 96)[0]
    first = feature(image)
    feature(noise(64, 64, 3))
    np.testing.assert_array_equal(type(feature)()(image.copy()), first)
    np.testing.assert_array_equal(feature(np.asfortranarray(image)), first)


@pytest.mark.parametrize("threads", [1, 4])
def test_any_number_of_threads_gives_the_same(feature: Feature, threads: int) -> None:
    image, before = load_photographs(1, 192)[0], cv2.getNumThreads()
    expected = feature(image)
    try:
        cv2.setNumThreads(threads)
        np.testing.assert_array_equal(feature(image), expected)
        assert cv2.getNumThreads() == threads
    finally:
        cv2.setNumThreads(before)


def test_the_image_is_left_as_it_is(feature: Feature) -> None:
    image = noise(33, 47, 3)
    feature(image)
    np.testing.assert_array_equal(image, noise(33, 47, 3))


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_constant_image_is_the_same_everywhere(feature: Feature, level: int) -> None:
    maps = feature(np.full((33, 47, 3), level, np.uint8))
    np.testing.assert_array_equal(maps, np.broadcast_to(maps[:, :1, :1], maps.shape))
    if not isinstance(feature, Lbp):  # where no neighbour is darker there is a pattern too
        assert not maps.any()


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.float32), np.zeros(8, np.uint8), np.zeros((0, 8), np.uint8), np.zeros((2, 8, 8, 3), np.uint8)],
)
def test_other_images_are_refused(feature: Feature, image: np.ndarray) -> None:
    with pytest.raises(UserError, match="hand it 8-bit levels"):
        feature(image)


@pytest.mark.parametrize("kind", KINDS)
def test_a_feature_is_its_settings(kind: Any) -> None:
    """Equal by settings and without anything else inside: a network that holds it can be copied and sent away."""
    feature = kind()
    assert feature == kind(**{field.name: field.default for field in fields(kind)})
    with pytest.raises(FrozenInstanceError):
        setattr(feature, fields(kind)[0].name, 1)


def test_every_feature_has_a_file() -> None:
    files = {path.stem for path in (ROOT / "lightning_modules/networks/features").glob("*.py")}
    assert {kind.__name__.lower() for kind in KINDS} == files - {"__init__", "base", "keypoints", "surf"}


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Hog, {"cell": 0}, "cell of Hog is 0"),
        (Hog, {"block": -1}, "block of Hog is -1"),
        (Sift, {"step": 0}, "step of Sift is 0"),
        (Orb, {"keypoints": 0}, "keypoints of Orb is 0"),
        (Lbp, {"window": 0}, "window of Lbp is 0"),
        (Edges, {"sigma": -1}, "sigma of Edges is -1"),
        (Edges, {"low": 9, "high": 3}, "thresholds of Edges are 9 and 3"),
    ],
)
def test_wrong_settings_are_named(kind: Any, settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        kind(**settings)
