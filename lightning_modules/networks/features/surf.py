"""Speeded-up robust features, where OpenCV has them."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from lightning_modules.networks.features.base import to_gray
from lightning_modules.networks.features.keypoints import KeypointFeature
from user_error import UserError


@dataclass(frozen=True)
class Surf(KeypointFeature):
    """SURF (Bay, Tuytelaars & Van Gool, "SURF: Speeded Up Robust Features", ECCV 2006), by OpenCV's non-free module.

    A map of the keypoints that are bright on dark ground and one of those that are dark on bright ground (the sign of
    the Laplacian), each as bright as the determinant of its Hessian: half at twice the threshold.

    Args:
        threshold: least determinant of the Hessian of a keypoint.

    Raises:
        UserError: OpenCV was built without it, as every wheel is.
    """

    threshold: float = 400.0

    def __post_init__(self) -> None:
        if self.threshold <= 0:
            raise UserError(f"threshold of Surf is {self.threshold}: give more than 0")
        try:
            self.make_detector(np.empty(0))
        except (AttributeError, cv2.error) as error:  # wheels of OpenCV's contrib have the name, and refuse the call
            raise UserError(
                "this OpenCV has no SURF: it belongs to the non-free modules, which no wheel contains; build OpenCV's "
                "contrib with OPENCV_ENABLE_NONFREE=ON, or take the features Sift or Orb"
            ) from error

    @property
    def channels(self) -> int:
        """Bright and dark."""
        return 2

    def make_detector(self, to_gray: np.ndarray) -> Any:
        """OpenCV's SURF."""
        return cv2.xfeatures2d.SURF_create(hessianThreshold=self.threshold)  # type: ignore[attr-defined]

    def compute_strength(self, response: np.ndarray) -> np.ndarray:
        """Determinant (...) beyond the threshold, from 0 towards 1."""
        return 1 - self.threshold / np.maximum(response, self.threshold)

    def compute_distance(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Euclidean, over that of opposite descriptors: they have norm one."""
        return np.linalg.norm(first - second, axis=1) / 2

    def compute_maps(self, image: np.ndarray) -> np.ndarray:
        """Image uint8 (H, W, C) to (2, H, W) in [0, 1]."""
        levels = to_gray(image)
        found = self.detect(levels)
        bright, dark = ([one for one in found if (one.class_id > 0) == sign] for sign in (False, True))
        return np.stack([self.draw(bright, levels.shape), self.draw(dark, levels.shape)])
