"""The structural similarity of images."""

import cv2
import numpy as np

WINDOW = 7  # pixels along a side


def compute_ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Mean structural similarity of two images (Wang, Bovik, Sheikh & Simoncelli, IEEE TIP 2004): 1 where they are equal.

    In windows of 7 x 7 pixels of equal weight that lie within the image, with sample covariances, and averaged over channels:
    the defaults of scikit-image.

    Args:
        one: 8-bit levels (H, W, C), H and W at least 7.
        other: likewise.
    """
    x, y = one.astype(np.float64), other.astype(np.float64)
    mean_x, mean_y, square_x, square_y, product = (_average(part) for part in (x, y, x * x, y * y, x * y))
    sample = WINDOW**2 / (WINDOW**2 - 1)
    variance_x, variance_y = sample * (square_x - mean_x**2), sample * (square_y - mean_y**2)
    covariance = sample * (product - mean_x * mean_y)
    low, high = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + low) / (mean_x**2 + mean_y**2 + low)
    structure = (2 * covariance + high) / (variance_x + variance_y + high)
    return float((luminance * structure).mean())


def _average(levels: np.ndarray) -> np.ndarray:
    """Means over the windows that lie within the image."""
    edge = WINDOW // 2
    return cv2.blur(levels, (WINDOW, WINDOW)).reshape(levels.shape)[edge:-edge, edge:-edge]
