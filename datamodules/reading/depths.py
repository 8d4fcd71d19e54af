"""Bit depths of images: one window cannot fit both images of 8 bits and images of more."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from datamodules.reading.decoding import open_header
from safe_files.array_file import read_header
from user_error import UserError


def require_one_depth(images: Iterable[Path]) -> None:
    """Refuse a mixture of images of 8 bits and images of more; only headers are read.

    Args:
        images: files of a data set with a window.

    Raises:
        UserError: both kinds occur.
    """
    seen: dict[bool, Path] = {}
    for path in images:
        few = _is_8_bit(path)
        if few is not None:
            seen.setdefault(few, path)
        if len(seen) > 1:
            raise UserError(
                f"the image {seen[True]} has levels of 8 bits and {seen[False]} of more, and one `window` cannot be right for "
                "both: store all images in one type"
            )


def _is_8_bit(path: Path) -> bool | None:
    """Whether an image has 8 bits; `None` if it cannot be read, which is reported when it is decoded."""
    try:
        if path.suffix.lower() == ".npy":
            return read_header(path).dtype == np.uint8
        return not open_header(path).mode.startswith(("I", "F"))
    except Exception:
        return None
