"""The size of an image, from the header of its file."""

from pathlib import Path

from datamodules.reading.decoding import open_header, read_orientation
from safe_files.array_file import read_header

TURNED = (5, 6, 7, 8)
"""Orientation tags that exchange height and width."""


def read_size(path: Path) -> tuple[int, int] | None:
    """Height and width in pixels, upright; `None` for a file that cannot be read, which is reported when it is decoded."""
    try:
        if path.suffix.lower() == ".npy":
            height, width, *_ = read_header(path).shape
            return height, width
        picture = open_header(path)
        width, height = picture.size
        turned = picture.format != "TIFF" and _is_tagged(path, picture.format) and read_orientation(picture) in TURNED
        return (width, height) if turned else (height, width)
    except Exception:  # decoders raise errors of many classes
        return None


def _is_tagged(path: Path, kind: str | None) -> bool:
    """Whether a file may have an orientation tag; a PNG's bytes are searched, since reading its tags would decode it."""
    return kind != "PNG" or any(mark in path.read_bytes() for mark in (b"eXIf", b"exif", b"Orientation"))
