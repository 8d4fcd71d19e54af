"""Whether a window means the same for all images: levels of 8 bits and of more are not on one scale."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from datamodules.reading.decoding import open_header
from safe_files.array_file import read_header
from user_error import UserError


def require_one_depth(images: Iterable[Path]) -> None:
    """Refuse images of 8 bits among others of more, where one window is for all of them; only headers are read.

    Args:
        images: of a data set with a window.

    Raises:
        UserError: both occur.
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
    """`None` of a file that cannot be read: its own sentence comes when it is."""
    try:
        if path.suffix.lower() == ".npy":
            return read_header(path).dtype == np.uint8
        return not open_header(path).mode.startswith(("I", "F"))
    except Exception:
        return None
