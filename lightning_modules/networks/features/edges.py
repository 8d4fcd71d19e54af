"""Edges, found and measured."""

from dataclasses import dataclass

import cv2
import numpy as np

from lightning_modules.networks.features.base import Feature, to_gray
from user_error import UserError

STEP = 4 * 255
"""Gradient by Sobel's 3 x 3 masks at a step from black to white."""


@dataclass(frozen=True)
class Edges(Feature):
    """Canny's edges ("A Computational Approach to Edge Detection", PAMI 1986), by OpenCV, and the gradient's magnitude.

    Both are those of the smoothed image. The magnitude is relative to a sharp step from black to white.

    Args:
        sigma: standard deviation in pixels of the Gaussian that smooths first; none if 0.
        low: gradient, in levels times four, from which an edge goes on.
        high: gradient from which an edge begins.
    """

    sigma: float = 1.0
    low: float = 50.0
    high: float = 100.0

    def __post_init__(self) -> None:
        if self.sigma < 0:
            raise UserError(f"sigma of Edges is {self.sigma}: give 0 or more")
        if not 0 <= self.low <= self.high:
            raise UserError(f"the thresholds of Edges are {self.low} and {self.high}: give the lower one first")

    @property
    def channels(self) -> int:
        """Edges and magnitude."""
        return 2

    def compute_maps(self, image: np.ndarray) -> np.ndarray:
        """Image uint8 (H, W, C) to (2, H, W) in [0, 1]; the first is 0 or 1."""
        levels = to_gray(image)
        if self.sigma:
            levels = cv2.GaussianBlur(levels, (0, 0), self.sigma)
        along, down = (cv2.Sobel(levels, cv2.CV_32F, dx, 1 - dx, borderType=cv2.BORDER_REPLICATE) for dx in (1, 0))
        edges = cv2.Canny(levels, self.low, self.high, L2gradient=True) / 255
        return np.stack([edges, (np.hypot(along, down) / STEP).clip(max=1)])
