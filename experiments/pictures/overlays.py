"""Masks as colours over their images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from datamodules.datasets.voc import make_voc_palette
from experiments.files.atomic_write import atomic_write
from experiments.files.replaceable import SOFTWARE

ROWS = 64
"""Rows of a picture that are blended at once."""


def find_palette(colours: Sequence[Sequence[int]] | None, num_classes: int) -> np.ndarray:
    """A colour (K, 3) uint8 for each class: those of the data, or VOC's where they name none."""
    return np.array(colours or make_voc_palette(num_classes), dtype=np.uint8)


def as_rgb(image: np.ndarray) -> np.ndarray:
    """An image (H, W, C) for the eye, (H, W, 3) uint8; other than three channels show as their mean, in grey."""
    if image.shape[-1] == 3:
        return image
    return np.repeat(np.rint(image.mean(-1, keepdims=True)).astype(np.uint8), 3, axis=-1)


def overlay(image: np.ndarray, mask: np.ndarray, palette: np.ndarray, opacity: float = 0.5) -> np.ndarray:
    """The colours of `mask` (H, W) over `image` (H, W, C), as (H, W, 3) uint8; ignored pixels stay uncoloured."""
    mixed = np.empty((*mask.shape, 3), np.uint8)
    for start in range(0, len(mask), ROWS):  # in doubles, eight times the picture
        rows = slice(start, start + ROWS)
        mixed[rows] = _mix(as_rgb(image[rows]), mask[rows], palette, opacity)
    return mixed


def _mix(base: np.ndarray, mask: np.ndarray, palette: np.ndarray, opacity: float) -> np.ndarray:
    counted = mask < len(palette)
    mixed = np.rint((1 - opacity) * base + opacity * palette[np.where(counted, mask, 0)]).astype(np.uint8)
    return np.where(counted[..., None], mixed, base)


def save(picture: Image.Image, path: Path) -> None:
    """Write a PNG atomically, with the name of this software in its metadata."""
    mark = PngInfo()
    mark.add_text("Software", SOFTWARE)
    with atomic_write(path, "wb") as file:
        picture.save(file, format="PNG", pnginfo=mark)
