"""PNG files with colours of 16 bits, which Pillow cuts to 8."""

import io
import struct
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from datamodules.reading.decoding import MOST_PIXELS, read_orientation

BEGINNING = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
END = b"IEND\xae\x42\x60\x82"
OPAQUE, WITH_ALPHA = 2, 6
"""Types of colours in a header: of three channels, or four."""


class DeepPng(NamedTuple):
    """What the header of a file says: its size, and whether it has an alpha channel."""

    height: int
    width: int
    alpha: bool


def read_deep_png_header(path: Path) -> DeepPng | None:
    """What a file says before it is decoded; `None` where it is no PNG with colours of 16 bits.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        beginning = file.read(len(BEGINNING) + 10)
    if len(beginning) < len(BEGINNING) + 10 or not beginning.startswith(BEGINNING):
        return None
    width, height, bits, kind = struct.unpack(">IIBB", beginning[len(BEGINNING) :])
    return DeepPng(height, width, kind == WITH_ALPHA) if bits == 16 and kind in (OPAQUE, WITH_ALPHA) else None


def read_deep_png_levels(path: Path) -> np.ndarray:
    """The levels, uint16 (H, W, 3), without an alpha channel, which has to be opaque.

    Decoded by Pillow, which refuses damaged files, for the upper byte of each level, and by OpenCV for both.

    Raises:
        ValueError: it is no such file, says more pixels than are read, is damaged, or shows through.
        OSError: it cannot be read.
    """
    header = read_deep_png_header(path)
    if header is None:
        raise ValueError("no PNG file with colours of 16 bits")
    if header.height * header.width > MOST_PIXELS:
        raise ValueError(f"it says that it has more than {MOST_PIXELS} pixels; cut it into tiles")
    content = path.read_bytes()
    if END not in content:
        raise ValueError("it is truncated: get it anew")
    with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
        upper = np.asarray(picture)
        if read_orientation(picture) != 1:
            raise ValueError("it has colours of 16 bits and an orientation tag: store it upright, without the tag")
        if "transparency" in picture.info:
            raise ValueError("it has a colour that is transparent: flatten it onto a background")
    levels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.dtype != np.uint16 or levels.shape != upper.shape:
        raise ValueError("it is damaged: get it anew")
    levels = cv2.cvtColor(levels, cv2.COLOR_BGRA2RGBA if header.alpha else cv2.COLOR_BGR2RGB)
    if not np.array_equal(levels // 256, upper):
        raise ValueError("its pixels are read in two ways: store it anew")
    if header.alpha and levels[..., 3].min(initial=65_535) < 65_535:
        raise ValueError("it has an alpha channel that is not opaque: flatten it onto a background")
    return np.ascontiguousarray(levels[..., :3])
