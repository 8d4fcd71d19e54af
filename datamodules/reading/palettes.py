"""Agreement of the palettes of masks: an index identifies a class only if it has the same colour in all files."""

from collections.abc import Iterable
from pathlib import Path

from datamodules.reading.decoding import open_header
from datamodules.reading.mask_reading import Colour, MaskReading
from user_error import UserError


def require_one_palette(masks: Iterable[Path], reading: MaskReading) -> None:
    """Refuse masks that are read by palette indices, if an index has different colours in two files.

    Masks are decoded only if their palettes differ, since entries that no pixel uses do not matter.

    Args:
        masks: files of a data set.
        reading: how masks are read.

    Raises:
        UserError: the palettes differ, or a mask cannot be read.
    """
    paths = [path for path in masks if path.suffix.lower() != ".npy"]
    if len({_read_palette(path) for path in paths} - {None}) < 2:
        return
    seen: dict[int, tuple[Colour, Path]] = {}
    for path in paths:
        if _read_palette(path) is None:
            continue
        for index, colour in reading.read_with_palette(path)[1].items():
            before, other = seen.setdefault(index, (colour, path))
            if colour != before:
                raise UserError(
                    f"the masks {other} and {path} have palettes of their own, in which {index} is once the colour "
                    f"{list(before)} and once {list(colour)}: add `palette: [[red, green, blue], ...]` to dataset.yaml, a "
                    "colour for each class, or `mask_levels: stored` if the numbers are the ids whatever the colours"
                )


def _read_palette(path: Path) -> tuple[str | None, str | None, bytes] | None:
    try:
        picture = open_header(path)
    except Exception:  # reported when the mask is read
        return None
    palette = picture.palette
    return None if picture.mode != "P" or palette is None else (picture.format, palette.rawmode, bytes(palette.palette))
