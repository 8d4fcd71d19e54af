from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from lightning_modules.networks.features.surf import Surf
from user_error import UserError


class Stub:
    """What OpenCV's SURF would be: one bright and one dark blob, whatever the image."""

    def __init__(self, hessianThreshold: float) -> None:
        self.threshold = hessianThreshold

    def detect(self, image: np.ndarray, mask: Any) -> list[Any]:
        assert image.ndim == 2
        bright = cv2.KeyPoint(10, 20, 9, 0, 2 * self.threshold, 0, -1)
        dark = cv2.KeyPoint(30, 5, 9, 0, 10 * self.threshold, 0, 1)
        return [bright, dark]

    def compute(self, image: np.ndarray, keypoints: list[Any]) -> tuple[list[Any], np.ndarray]:
        return keypoints, np.eye(64, dtype=np.float32)[: len(keypoints)]


def patented(hessianThreshold: float) -> None:
    """What the wheels of OpenCV's contrib have in its place."""
    raise cv2.error("This algorithm is patented and is excluded in this configuration; Set OPENCV_ENABLE_NONFREE")


@pytest.fixture
def non_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "xfeatures2d", SimpleNamespace(SURF_create=Stub), raising=False)


@pytest.mark.parametrize("module", [None, SimpleNamespace(), SimpleNamespace(SURF_create=patented)])
def test_a_wheel_has_no_surf(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "xfeatures2d", raising=False)
    if module is not None:
        monkeypatch.setattr(cv2, "xfeatures2d", module, raising=False)
    with pytest.raises(UserError, match=r"no SURF: it belongs to the non-free modules.*take the features Sift or Orb"):
        Surf()


@pytest.mark.usefixtures("non_free")
def test_bright_and_dark_blobs_are_drawn_apart() -> None:
    surf = Surf(threshold=100)
    maps = surf(np.zeros((33, 47, 3), np.uint8))
    assert maps.shape == (surf.channels, 33, 47)
    assert maps.dtype == np.float32
    assert maps[0, 20, 10] == maps[0].max() == pytest.approx(0.5)
    assert maps[1, 5, 30] == maps[1].max() == pytest.approx(0.9)
    assert not maps[1, 20, 10]
    assert not maps[0, 5, 30]


@pytest.mark.usefixtures("non_free")
def test_descriptors_and_their_distance() -> None:
    surf: Any = Surf()
    image = np.zeros((33, 47), np.uint8)
    strongest = surf.detect(image)
    assert [one.class_id for one in strongest] == [1, -1]
    descriptors = surf.describe(image, strongest)
    assert surf.compute_distance(descriptors, descriptors).tolist() == [0, 0]
    assert surf.compute_distance(descriptors, -descriptors).tolist() == [1, 1]


@pytest.mark.usefixtures("non_free")
def test_wrong_threshold_is_named() -> None:
    with pytest.raises(UserError, match="threshold of Surf is 0"):
        Surf(threshold=0)
