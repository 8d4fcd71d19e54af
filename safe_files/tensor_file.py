"""Files of tensors, as torch writes them: whatever they hold stands in them, unpacked, and is gone through in bounded time."""

import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from plain_values import UnboundedError, walk

MOST = 2_000_000
"""Values besides tensors in a checkpoint: those of an optimiser's state are a few for each parameter."""

LARGEST_REPEATED = 2**20


class DamagedError(ValueError):
    """A file whose content does not have the check sum that it was written with."""


def require_unpacked(file: Path | BinaryIO) -> None:
    """Refuse an archive whose entries are larger than the file, or not what was written.

    Torch packs none, and would unpack them all; it writes check sums, and does not look at them.

    Raises:
        DamagedError: a check sum is wrong.
        ValueError: it is such an archive.
        zipfile.BadZipFile: it is damaged.
    """
    if not zipfile.is_zipfile(file):  # weights of early versions of torch are no archive
        return
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        size = archive.fp.seek(0, os.SEEK_END) if archive.fp else 0
        _require_as_declared(entries, size)
        _require_whole(archive)


def _require_as_declared(entries: list[zipfile.ZipInfo], size: int) -> None:
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise ValueError("its tensors are packed")
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError("its entries overlap")


def _require_whole(archive: zipfile.ZipFile) -> None:
    """Read all entries once: a gigabyte takes about a second."""
    try:
        damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise DamagedError(str(error)) from error
    if damaged is not None:
        raise DamagedError(f"the check sum of {damaged!r} is wrong")


def complain_of_tensors(content: Any) -> str:
    """Why the content of a file of tensors is not fit to be gone through, or nothing.

    Pickled lists may hold one another, or themselves; a tensor may repeat one number without end.
    """
    try:
        repeated = next((one for one in walk(content, MOST) if isinstance(one, Tensor) and _repeats(one)), None)
    except UnboundedError as error:
        return str(error)
    return (
        "" if repeated is None else f"it holds a tensor of the shape {tuple(repeated.shape)} that repeats its numbers"
    )


def _repeats(tensor: Tensor) -> bool:
    """Whether a tensor is larger than the numbers that it is made of; small ones may be, such as a constant's."""
    if tensor.layout is not torch.strided or tensor.is_meta or tensor.numel() <= LARGEST_REPEATED:
        return False
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()
