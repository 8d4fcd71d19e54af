"""Pictures of the same are near, and others are not."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from experiments.data_check.near_duplicates import find_near, shrink


def scene(seed: int) -> np.ndarray:
    """Smooth colours, as photographs have them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)


def as_jpeg(image: np.ndarray) -> np.ndarray:
    written = io.BytesIO()
    Image.fromarray(image).save(written, "JPEG", quality=40)
    return np.asarray(Image.open(written))


CHANGED = {
    "itself": lambda image: image,
    "jpeg": as_jpeg,
    "half the size": lambda image: image[::2, ::2],
    "brighter": lambda image: np.clip(image * 1.2 + 10, 0, 255).astype(np.uint8),
    "mirrored": lambda image: image[:, ::-1],
    "turned": lambda image: np.rot90(image),
}


@pytest.mark.parametrize("name", CHANGED)
def test_copies_are_found(name: str):
    others = [shrink(scene(seed)) for seed in range(1, 5)]
    found = list(find_near([shrink(CHANGED[name](scene(3)))], others))
    assert [(one, other) for one, other, _ in found] == [(0, 2)]


def test_other_pictures_and_flat_ones_are_not():
    flat = [np.full((17, 17), 8, np.float32) + (np.arange(17) == 3) * 4 for _ in range(2)]
    assert (
        list(find_near([shrink(scene(seed)) for seed in range(20)], [shrink(scene(seed)) for seed in range(20, 40)]))
        == []
    )
    assert list(find_near(flat, flat)) == []
    assert list(find_near([], flat)) == []
