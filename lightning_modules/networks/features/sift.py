"""Scale-invariant feature transform: keypoints, and descriptors on a grid."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from lightning_modules.networks.features.base import require_positive, spread_cells, to_gray
from lightning_modules.networks.features.keypoints import KeypointFeature

STRONG = 0.1
"""Response, in contrast of the image's range, from which a keypoint is drawn at full brightness."""

ORIENTATIONS, PLACES = 8, 16


@dataclass(frozen=True)
class Sift(KeypointFeature):
    """SIFT (Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 2004), by OpenCV.

    - a map of the keypoints, each as bright as its response;
    - a map for each of the eight orientations of the upright descriptor in the middle of each grid cell (dense SIFT;
      Bosch, Zisserman & Munoz, ICCV 2007): the norm over its 16 places. The squares of the eight sum to one, or to
      zero where the image is flat.

    Args:
        step: side of a grid cell in pixels.
        bin: side in pixels of each of the 16 places of a descriptor on the grid.
        contrast: least contrast of a keypoint.
    """

    step: int = 8
    bin: int = 4
    contrast: float = 0.04

    def __post_init__(self) -> None:
        require_positive(self, "step", "bin")

    @property
    def channels(self) -> int:
        """Keypoints and orientations."""
        return 1 + ORIENTATIONS

    def make_detector(self, to_gray: np.ndarray) -> Any:
        """OpenCV's SIFT."""
        return cv2.SIFT.create(contrastThreshold=self.contrast)

    def compute_strength(self, response: np.ndarray) -> np.ndarray:
        """Contrast (...), full from `STRONG` on."""
        return (response / STRONG).clip(0, 1)

    def describe(self, to_gray: np.ndarray, keypoints: Any) -> np.ndarray:
        """Descriptors (N, 128) of norm one, or zero where the image is flat; see `KeypointFeature`."""
        descriptors = super().describe(to_gray, keypoints)
        norm = np.linalg.norm(descriptors, axis=1, keepdims=True)
        return descriptors / np.where(norm > 0, norm, 1)

    def compute_distance(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Euclidean, over that of descriptors without anything in common."""
        return np.linalg.norm(first - second, axis=1) / np.sqrt(2)

    def compute_maps(self, image: np.ndarray) -> np.ndarray:
        """Image uint8 (H, W, C) to (9, H, W) in [0, 1]."""
        levels = to_gray(image)
        height, width = levels.shape
        keypoints = self.draw(self.detect(levels), levels.shape)
        return np.concatenate(
            [keypoints[None], spread_cells(self._compute_orientations(levels), self.step, height, width)]
        )

    def _compute_orientations(self, levels: np.ndarray) -> np.ndarray:
        rows, columns = (
            (np.arange(0, side, self.step) + self.step // 2).clip(max=side - 1).astype(float) for side in levels.shape
        )
        size = self.bin * 2 / 3  # a place of the descriptor is three half sizes wide
        grid = [cv2.KeyPoint(column, row, size, 0) for row in rows for column in columns]
        places = self.describe(levels, grid).reshape(len(rows), len(columns), PLACES, ORIENTATIONS)
        return np.linalg.norm(places, axis=2).clip(max=1)
