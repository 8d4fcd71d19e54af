"""Checks of files that torch writes: their archives are uncompressed and intact, and their content is of bounded size."""

import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from plain_values import UnboundedError, walk

MOST = 2_000_000
"""Largest number of values in a checkpoint; the state of an optimiser has a few for each parameter."""

LARGEST_REPEATED = 2**20


class DamagedError(ValueError):
    """The content of a file does not match its check sum."""


def require_unpacked(file: Path | BinaryIO) -> None:
    """Refuse an archive with compressed or overlapping entries, or with a wrong check sum.

    Torch never compresses entries, but would decompress them; it writes check sums, but does not verify them.

    Raises:
        DamagedError: a check sum is wrong.
        ValueError: entries are compressed or overlap.
        zipfile.BadZipFile: the archive is damaged.
    """
    if not zipfile.is_zipfile(file):  # early versions of torch wrote no archive
        return
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        size = archive.fp.seek(0, os.SEEK_END) if archive.fp else 0
        _require_stored(entries, size)
        _require_check_sums(archive)


def _require_stored(entries: list[zipfile.ZipInfo], size: int) -> None:
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise ValueError("its tensors are packed")
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError("its entries overlap")


def _require_check_sums(archive: zipfile.ZipFile) -> None:
    """Verify the check sums of all entries; a gigabyte takes about a second."""
    try:
        damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise DamagedError(str(error)) from error
    if damaged is not None:
        raise DamagedError(f"the check sum of {damaged!r} is wrong")


def find_tensor_problem(content: Any) -> str:
    """Describe why the content of a file of tensors is too large to be traversed; an empty text where it is not.

    Pickled lists may contain one another, or themselves, and an expanded tensor may repeat one number any number of times.
    """
    try:
        repeated = next((one for one in walk(content, MOST) if isinstance(one, Tensor) and _repeats_numbers(one)), None)
    except UnboundedError as error:
        return str(error)
    return (
        "" if repeated is None else f"it holds a tensor of the shape {tuple(repeated.shape)} that repeats its numbers"
    )


def _repeats_numbers(tensor: Tensor) -> bool:
    """Whether a tensor has more elements than its storage; small ones may, such as an expanded constant."""
    if tensor.layout is not torch.strided or tensor.is_meta or tensor.numel() <= LARGEST_REPEATED:
        return False
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()
