"""What the features made of keypoints share: found in an order that is always the same, and drawn as a map."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from lightning_modules.networks.features.base import Feature

RADIUS = 2
"""Pixels around a keypoint that its mark covers, so that it survives the first strides of an encoder."""


class KeypointFeature(Feature):
    """A feature with a detector and a descriptor of keypoints."""

    @abstractmethod
    def make_detector(self, gray: np.ndarray) -> Any:
        """OpenCV's algorithm, as it is set for an image uint8 (H, W); it keeps no state between calls."""

    @abstractmethod
    def compute_strength(self, response: np.ndarray) -> np.ndarray:
        """Responses (...) of keypoints to [0, 1], growing with them."""

    @abstractmethod
    def compute_distance(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Distances (N,) of descriptors (N, D) to others (N, D): 0 for equal ones, 1 for the farthest there are."""

    def detect(self, gray: np.ndarray) -> list[Any]:
        """OpenCV's keypoints of an image uint8 (H, W), the strongest first."""
        found = self.make_detector(gray).detect(gray, None)
        return sorted(found, key=lambda one: (-one.response, one.pt, one.size, one.angle, one.octave))

    def describe(self, gray: np.ndarray, keypoints: Sequence[Any]) -> np.ndarray:
        """Descriptors (N, D) of an image uint8 (H, W) at the places, sizes and angles of given keypoints.

        Which keypoints are described, and in which order, depends on the keypoints and the image's size alone.
        """
        detector = self.make_detector(gray)
        descriptors = detector.compute(gray, list(keypoints))[1] if keypoints else None
        if descriptors is None:
            kind = np.uint8 if detector.descriptorType() == cv2.CV_8U else np.float32
            return np.empty((0, detector.descriptorSize()), kind)
        return descriptors

    def draw(self, keypoints: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
        """A map (H, W) in [0, 1]: discs around keypoints, each as bright as the strongest keypoint it belongs to."""
        canvas = np.zeros(shape[:2], np.float32)
        if not keypoints:
            return canvas
        columns, rows = np.rint([one.pt for one in keypoints]).astype(int).T
        rows, columns = rows.clip(0, shape[0] - 1), columns.clip(0, shape[1] - 1)
        strength = self.compute_strength(np.array([one.response for one in keypoints]))
        np.maximum.at(canvas, (rows, columns), strength.astype(np.float32))
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * RADIUS + 1, 2 * RADIUS + 1))
        return cv2.dilate(canvas, disc)
