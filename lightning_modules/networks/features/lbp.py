"""Local binary patterns."""

from dataclasses import dataclass

import cv2
import numpy as np
from skimage.feature import local_binary_pattern

from lightning_modules.networks.features.base import Feature, require_positive, to_gray


@dataclass(frozen=True)
class Lbp(Feature):
    """Uniform local binary patterns (Ojala, Pietikainen & Maenpaa, PAMI 2002), by scikit-image, as local histograms.

    A map for each pattern that does not tell rotations apart: its share of the pixels in the window around each pixel.
    The maps sum to one. A pattern is which of the neighbours on a circle are at least as bright as the pixel, so it
    does not change where levels are changed monotonically.

    Args:
        points: neighbours on the circle.
        radius: of the circle in pixels.
        window: side of the window in pixels, odd or not; 1 for the patterns themselves.
    """

    points: int = 8
    radius: int = 1
    window: int = 9

    def __post_init__(self) -> None:
        require_positive(self, "points", "radius", "window")

    @property
    def channels(self) -> int:
        """0 to `points` neighbours in one run, and all other patterns."""
        return self.points + 2

    def compute_patterns(self, levels: np.ndarray) -> np.ndarray:
        """Pattern (H, W), int, of each pixel of an image uint8 (H, W), whose edge is repeated for its neighbours."""
        padded = np.pad(levels, self.radius + 1, mode="edge")
        inner = (slice(self.radius + 1, -self.radius - 1),) * 2
        return local_binary_pattern(padded, self.points, self.radius, "uniform")[inner].astype(int)

    def compute_maps(self, image: np.ndarray) -> np.ndarray:
        """Image uint8 (H, W, C) to (points + 2, H, W) in [0, 1]."""
        patterns = self.compute_patterns(to_gray(image))
        planes = (patterns == np.arange(self.channels)[:, None, None]).astype(np.float32)
        window = (self.window, self.window)
        blurred = [cv2.blur(plane, window, borderType=cv2.BORDER_REPLICATE) for plane in planes]
        return np.stack(blurred).clip(0, 1)
