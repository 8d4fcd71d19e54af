"""Oriented FAST and rotated BRIEF: keypoints, and the corner measure that ranks them."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from lightning_modules.networks.features.base import require_positive, to_gray
from lightning_modules.networks.features.keypoints import KeypointFeature

SCALE = 1.2
FAST_RADIUS = 3
HARRIS_BLOCK, HARRIS_K = 7, 0.04
"""Of ORB's ranking; OpenCV fixes them."""


@dataclass(frozen=True)
class Orb(KeypointFeature):
    """ORB (Rublee et al., "ORB: An efficient alternative to SIFT or SURF", ICCV 2011), by OpenCV.

    - a map of the keypoints, each as bright as its response;
    - the response everywhere: the measure of Harris & Stephens (Alvey 1988) that ORB ranks its corners by.

    Responses go with the fourth power of the contrast: their fourth root is drawn, and zero for edges.

    Args:
        keypoints: how many of the strongest count.
        levels: of the pyramid; small images have fewer.
        threshold: contrast in levels that makes a FAST corner.
    """

    keypoints: int = 500
    levels: int = 8
    threshold: int = 20

    def __post_init__(self) -> None:
        require_positive(self, "keypoints", "levels", "threshold")

    @property
    def channels(self) -> int:
        """Keypoints and responses."""
        return 2

    def make_detector(self, to_gray: np.ndarray) -> Any:
        """OpenCV's ORB, up to the image's border and with no level that is too small for a corner."""
        largest = min(to_gray.shape) / (2 * FAST_RADIUS + 1)
        levels = 1 + max(0, int(math.log(largest, SCALE)))
        return cv2.ORB.create(
            self.keypoints, SCALE, min(self.levels, levels), edgeThreshold=FAST_RADIUS, fastThreshold=self.threshold
        )

    def compute_strength(self, response: np.ndarray) -> np.ndarray:
        """Fourth root of a response (...)."""
        return response.clip(0, 1) ** 0.25

    def compute_distance(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Share of bits (Hamming); a half is what unrelated descriptors have."""
        return np.unpackbits(first ^ second, axis=1).mean(1)

    def compute_maps(self, image: np.ndarray) -> np.ndarray:
        """Image uint8 (H, W, C) to (2, H, W) in [0, 1]."""
        levels = to_gray(image)
        response = cv2.cornerHarris(levels, HARRIS_BLOCK, 3, HARRIS_K)
        return np.stack([self.draw(self.detect(levels), levels.shape), self.compute_strength(response)])
