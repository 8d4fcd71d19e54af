"""Pages of TIFF files that Pillow does not read: colours of 16 bits, and more than four channels."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.reading.decoding import MOST_PIXELS
from safe_files.array_file import LARGEST

SUFFIXES = (".tif", ".tiff")
MOST_CHANNELS = 64
MOST_COMPRESSED = 1100
"""More than the largest ratio of sizes that DEFLATE reaches, which is 1032."""


def count_tiff_pages(path: Path) -> int:
    """Number of pages of a TIFF file.

    Raises:
        ValueError: it is no TIFF file.
        OSError: it cannot be read.
    """
    from tifffile import TiffFile  # here, since few commands meet such a file

    with TiffFile(path) as file:
        return len(file.pages)


def read_tiff_header(path: Path, page: int = 0) -> tuple[tuple[int, int, int], np.dtype]:
    """The shape (H, W, C) and the type of the levels of a page, before they are decoded.

    Raises:
        ValueError: it is no such page, or says more than is read.
        OSError: it cannot be read.
    """
    from tifffile import TiffFile

    with TiffFile(path) as file:
        return _require_room(file.pages[page], os.path.getsize(path))


def read_tiff_levels(path: Path, page: int = 0) -> np.ndarray:
    """The levels (H, W, C) of a page, of their own type.

    Raises:
        ValueError: it is no such page, says more than the file can hold or than is read, or is damaged.
        OSError: it cannot be read.
    """
    from tifffile import TiffFile

    with TiffFile(path) as file:
        one = file.pages[page]
        shape, _ = _require_room(one, os.path.getsize(path))
        levels = np.asarray(one.asarray(maxworkers=1))
    planar = levels.ndim == 3 and levels.shape == (shape[2], *shape[:2]) and levels.shape != shape
    return (levels.transpose(1, 2, 0) if planar else levels).reshape(shape)


def _require_room(page: Any, size: int) -> tuple[tuple[int, int, int], np.dtype]:
    shape = (int(page.imagelength), int(page.imagewidth), int(page.samplesperpixel))
    if page.dtype is None or page.dtype.kind not in "uif" or int(page.imagedepth) != 1:
        raise ValueError("its levels are neither whole numbers nor floats of whole bytes: convert them")
    if min(shape) < 1 or shape[0] * shape[1] > MOST_PIXELS or shape[2] > MOST_CHANNELS:
        raise ValueError(
            f"it says that it has {shape[0]} x {shape[1]} pixels of {shape[2]} channels, more than {MOST_PIXELS} pixels or "
            f"{MOST_CHANNELS} channels; cut it into tiles"
        )
    needed = shape[0] * shape[1] * shape[2] * page.dtype.itemsize
    if needed > LARGEST or needed > size * MOST_COMPRESSED or (int(page.compression) == 1 and needed > size):
        raise ValueError(f"it says that it holds {needed} bytes, for which its {size} do not suffice: get it anew")
    return shape, np.dtype(page.dtype)
