"""Files that `predict` writes are marked in their metadata: only marked files are ever overwritten."""

import gzip
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from datamodules.reading.found_files import get_suffix
from experiments.files.atomic_write import atomic_write
from experiments.predicting.sealed_bytes import KEY, has_seal, is_sealed, seal
from user_error import UserError

SEALED = (".nii", ".nii.gz", ".dcm")
"""Suffixes of results other than pictures; in a picture, a text chunk `KEY` holds the digest of the pixels."""


def write_result(picture: Image.Image, path: Path) -> None:
    """Write a PNG atomically, marked as a result of `predict`."""
    mark = PngInfo()
    mark.add_text(KEY, _digest(picture))
    with atomic_write(path, "wb") as file:
        picture.save(file, format="PNG", pnginfo=mark)


def write_sealed(content: bytes, path: Path) -> None:
    """Write another file atomically, whose metadata hold `UNSEALED`; compressed where its name says so."""
    sealed = seal(content)
    with atomic_write(path, "wb") as file:
        file.write(gzip.compress(sealed, 6, mtime=0) if path.suffix == ".gz" else sealed)


def is_marked(path: Path) -> bool:
    """Whether a file is marked as a result of `predict`."""
    return has_seal(path) if get_suffix(path) in SEALED else _read_mark(path) is not None


def is_as_written(path: Path) -> bool:
    """Whether a file is what `predict` wrote, pixel by pixel."""
    if get_suffix(path) in SEALED:
        return path.is_file() and not path.is_symlink() and is_sealed(path)
    mark = _read_mark(path)
    if mark is None or path.is_symlink():
        return False
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            return _digest(picture) == mark
    except Exception:  # a damaged file raises many kinds
        return False


def require_inside(paths: Iterable[Path], folder: Path) -> None:
    """Refuse results that a link would lead out of their folder.

    Raises:
        UserError: one of `paths` would lie elsewhere.
    """
    base = folder.resolve()
    for parent in dict.fromkeys(path.parent for path in paths):
        if not parent.resolve().is_relative_to(base):
            raise UserError(
                f"{str(parent)!r} is a link that leads out of {str(folder)!r}: choose another --output; nothing was written"
            )


def require_free(paths: Iterable[Path], overwrite: bool) -> None:
    """Refuse to overwrite what `predict` did not write, and without `overwrite` what it did.

    Raises:
        UserError: one of `paths` is there and must stay.
    """
    there = [path for path in paths if os.path.lexists(path)]  # unlike `exists`, of names too long as well
    others = [path for path in there if not is_as_written(path)]
    if others:
        raise UserError(
            f"{str(others[0])!r} is there{_count_more(others)}, and is not what predict wrote: choose another --output, since "
            "that is never overwritten; nothing was written"
        )
    if there and not overwrite:
        raise UserError(
            f"{str(there[0])!r} is there{_count_more(there)}, from an earlier predict: pass --overwrite to replace what predict "
            "wrote, or choose another --output; nothing was written"
        )


def _count_more(paths: list[Path]) -> str:
    return f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""


def _read_mark(path: Path) -> str | None:
    if path.suffix.lower() != ".png":
        return None
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            mark = picture.info.get(KEY)
    except Exception:  # whatever it is, it is none of ours
        return None
    return mark if isinstance(mark, str) else None


def _digest(picture: Image.Image) -> str:
    return hashlib.sha256(f"{picture.mode} {picture.size}".encode() + picture.tobytes()).hexdigest()
