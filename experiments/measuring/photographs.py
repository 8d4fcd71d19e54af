"""Images for measurements: photographs of scikit-image, or synthetic scenes where it is not installed."""

import cv2
import numpy as np

from datamodules.datasets.synthetic import SyntheticScenes

NAMES = ("astronaut", "chelsea", "coffee", "rocket")


def load_photographs(number: int, size: int) -> list[np.ndarray]:
    """Square RGB images, uint8 (size, size, 3); all are different, and equal in every run."""
    try:
        from skimage import data
    except ImportError:
        return make_scenes(number, size)
    return [
        _crop_view(getattr(data, NAMES[place % len(NAMES)])(), place // len(NAMES), size) for place in range(number)
    ]


def make_scenes(number: int, size: int) -> list[np.ndarray]:
    """Synthetic scenes, uint8 (size, size, 3)."""
    drawn = SyntheticScenes("test", number, (size, size), num_classes=5, difficulty=0.5, scene_seed=0)
    return [drawn[place]["image"] for place in range(number)]


def _crop_view(photo: np.ndarray, number: int, size: int) -> np.ndarray:
    """Square crop `number` of a photograph: every second one is mirrored, each pair is smaller than the one before."""
    side = round(min(photo.shape[:2]) * 0.9 ** (number // 2))
    top, left = ((length - side) // 2 for length in photo.shape[:2])
    square = photo[top : top + side, left : left + side]
    square = square[:, ::-1] if number % 2 else square
    kind = cv2.INTER_AREA if side >= size else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(square), (size, size), interpolation=kind)
