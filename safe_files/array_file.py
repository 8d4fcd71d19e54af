"""Arrays of NumPy's files, ``.npz`` and ``.npy``: headers are checked before memory is allocated."""

import math
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from user_error import UserError, shorten

LARGEST = 4 * 2**30
"""Largest total size of a file's arrays, in bytes."""

KINDS = "biufU"
"""Kinds of dtype that are read: numbers, truth values and texts, but neither objects nor structured types."""

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Header(NamedTuple):
    """Shape and type that an array declares before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Size in bytes; empty axes count as 1, since a sum over one takes memory too."""
        return math.prod(max(side, 1) for side in self.shape) * max(self.dtype.itemsize, 1)


Check = Callable[[Mapping[str, Header]], None]
"""Raises a ValueError or a UserError where the headers are not those of the expected file."""


def read_arrays(path: Path, remedy: str, check: Check | None = None, limit: int = LARGEST) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name.

    Args:
        path: of the file.
        remedy: how the sentence on a wrong file ends.
        check: is called with the headers before any array is read; the message of its ValueError becomes part of the sentence.
        limit: largest total size of the arrays, in bytes.

    Raises:
        UserError: it is no such file, contains objects or more than `limit` bytes, or `check` refuses its headers.
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            entries = {name.removesuffix(".npy"): name for name in _list_entries(archive)}
            headers = {key: _read_entry_header(archive, name) for key, name in entries.items()}
            _require_room(headers, limit)
            if check is not None:
                check(headers)
            return {key: _read_entry(archive, name) for key, name in entries.items()}
    except (OSError, UserError):
        raise
    except Exception as error:  # archives, their compression and their headers fail in many ways
        raise UserError(f"{str(path)!r} is not a file of arrays ({shorten(error)}): {remedy}") from error


def read_header(path: Path) -> Header:
    """The header of an ``.npy`` file.

    Raises:
        ValueError: the header does not fit the size of the file, or declares objects.
    """
    with path.open("rb") as file:
        return _parse_header(file, os.path.getsize(path))


def read_array(path: Path, limit: int = LARGEST) -> np.ndarray:
    """The array of an ``.npy`` file.

    Raises:
        ValueError: it is no such file, or contains objects or more than `limit` bytes.
        OSError: it cannot be read.
    """
    _require_room({"": read_header(path)}, limit)
    with path.open("rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _list_entries(archive: zipfile.ZipFile) -> list[str]:
    names = archive.namelist()
    if len(set(names)) != len(names) or not all(name.endswith(".npy") for name in names):
        raise ValueError("its entries are not arrays of a name each")
    for entry in archive.infolist():
        if entry.compress_type not in METHODS or entry.flag_bits & 1:
            raise ValueError(f"{entry.filename!r} is encrypted, or packed in another way than NumPy's")
    return names


def _read_entry_header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name) as file:
        return _parse_header(file, archive.getinfo(name).file_size)


def _read_entry(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):  # reading to the end also compares the check sum
            raise ValueError(f"{name!r} goes on after its array")
        return array


def _parse_header(file: IO[bytes], size: int) -> Header:
    """The header of an array at the beginning of `file`, which has `size` bytes when it is decompressed."""
    try:
        version: Any = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(file)
    except OSError:
        raise
    except Exception as error:  # the header is a literal of Python, which fails in many ways
        raise ValueError(f"no header of an array: {shorten(error)}") from error
    header = Header(tuple(int(side) for side in shape), dtype)
    if dtype.kind not in KINDS:
        raise ValueError(f"an array of the type {str(dtype)[:40]}")
    if min(header.shape, default=0) < 0 or math.prod(header.shape) * dtype.itemsize != size - file.tell():
        raise ValueError(f"an array of the shape {header.shape}, of which its file holds other bytes")
    return header


def _require_room(headers: Mapping[str, Header], limit: int) -> None:
    wanted = sum(header.nbytes for header in headers.values())
    if wanted > limit:
        raise ValueError(f"its arrays take {wanted} bytes, which is more than {limit}")
