"""Decoding of image files: a few formats, complete files, one page at a time, rotated by their orientation tag."""

import os
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from datamodules.reading.embedded import ImageSource
from safe_files.array_file import read_array

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
"""Formats that are decoded; Pillow would also recognise others by their first bytes, some of which run programs."""

Orientation = Literal["tag", "stored"]
"""Whether pixels are rotated by the orientation tag, as in viewers and labelling tools, or left as they are stored."""

ORIENTATION_TAG, NO_DATA_TAG, PHOTOMETRIC_TAG, BITS_TAG = 0x0112, 42113, 262, 258
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that turns a picture upright, by its orientation tag; see Exif 2.3, 4.6.4."""

MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""Pixels beyond which a file is refused by what its header says, before anything is decoded: Pillow's limit, 178,956,970."""

BACK = {6: 8, 8: 6}
"""The tag of the inverse transposition, for those that are not their own inverse."""


class Picture(NamedTuple):
    """A decoded picture with the format of its file and the raw modes of its levels."""

    image: Image.Image
    format: str
    rawmodes: str


def open_picture(path: ImageSource, orientation: Orientation = "tag", page: int | None = None) -> Picture:
    """Decode a picture, upright; unlike OpenCV, Pillow refuses truncated files.

    Args:
        path: of the file.
        orientation: whether its orientation tag is applied.
        page: see `open_header`.

    Raises:
        ValueError: it is no picture of one page whose levels can be read without loss.
        OSError: it cannot be read.
    """
    image = open_header(path, page)
    kind, rawmodes = str(image.format), read_rawmodes(image)
    turn = read_orientation(image)  # decodes a PNG, which has its tags behind the pixels
    image.load()
    obeyed = kind == "TIFF"  # Pillow's TIFF decoder applies the tag itself
    if turn in TURNS and obeyed != (orientation == "tag"):
        image = image.transpose(TURNS[BACK.get(turn, turn) if obeyed else turn])
    return Picture(image, kind, rawmodes)


def open_header(path: ImageSource, page: int | None = None) -> Image.Image:
    """Open a picture and read only its header; see `open_picture`.

    Args:
        path: of the file.
        page: the one that is meant, from 0 on; where it is `None`, a file of several pages is refused.
    """
    _refuse_placeholder(path)
    try:
        picture = Image.open(path if isinstance(path, Path) else path.open(), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ValueError(f"it says that it has more than {MOST_PIXELS} pixels; cut it into tiles") from error
    if page is not None:
        picture.seek(page)
        if picture.width * picture.height > MOST_PIXELS:  # Pillow looks at the first page alone
            raise ValueError(f"its page {page} says that it has more than {MOST_PIXELS} pixels; cut it into tiles")
    elif count_pages(picture) > 1:
        pages = count_pages(picture)
        raise ValueError(f"{pages} pages where one is expected; store the one that is meant")
    rawmodes = read_rawmodes(picture)
    deep = ";16" in rawmodes or max(_read_bits(picture)) > 8  # Pillow takes 16-bit planes for two of 8
    if deep and not picture.mode.startswith(("I", "F")):
        raise ValueError("16-bit colour, which would be cut to 8 bits: store it as .npy")
    if picture.mode.startswith("I") and _read_tiff_tag(picture, PHOTOMETRIC_TAG) == 0:
        raise ValueError("levels of more than 8 bits that are stored inverted: store them upright")
    return picture


def count_pages(picture: Image.Image) -> int:
    """Pages of a file; those of a phone's file behind the first are previews."""
    return 1 if picture.format == "MPO" else int(getattr(picture, "n_frames", 1))


def read_rawmodes(picture: Image.Image) -> str:
    """Raw modes of the levels in a file, such as ``L;2`` for grey of two bits."""
    return str([tile[3] for tile in getattr(picture, "tile", ())])


def read_orientation(picture: Image.Image) -> int:
    """The orientation tag of a picture; 1 where there is none or it cannot be read."""
    try:
        found = picture.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # a damaged block of tags fails in many ways, and viewers ignore it
        return 1
    return found if isinstance(found, int) else 1


def read_no_data_level(picture: Image.Image) -> float | None:
    """The level that marks missing data in a GeoTIFF."""
    try:
        return float(_read_tiff_tag(picture, NO_DATA_TAG))
    except (TypeError, ValueError):
        return None


def _read_bits(picture: Image.Image) -> tuple[int, ...]:
    """Bits of each channel of a TIFF file; 1 of other files."""
    found = _read_tiff_tag(picture, BITS_TAG)
    return tuple(int(one) for one in found) if found else (1,)


def _read_tiff_tag(picture: Image.Image, tag: int) -> Any:
    return getattr(picture, "tag_v2", {}).get(tag)


def read_levels(path: Path) -> np.ndarray:
    """Read an ``.npy`` array."""
    return read_array(path)


def _refuse_placeholder(path: ImageSource) -> None:
    with path.open("rb") as file:
        beginning = file.read(48)
    if beginning.startswith(b"version https://git-lfs"):
        raise ValueError("a placeholder of Git LFS: run `git lfs pull` where it comes from")
    if not beginning:
        raise ValueError(f"an empty file{' behind a link' if isinstance(path, Path) and os.path.islink(path) else ''}")
