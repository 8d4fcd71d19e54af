"""A mark in the bytes of a file that is no picture, with the digest of all other bytes."""

import gzip
import hashlib
import re
import zlib
from pathlib import Path

KEY = "robust-segmentation predict"
"""What begins a mark; in pictures it is the key of a text chunk."""

DIGITS = 48
UNSEALED = f"{KEY}: {'0' * DIGITS}"
"""The mark that a format's own metadata hold before `seal` fills it in: 77 characters, for the 80 of a NIfTI header."""

MARK = re.compile(rf"{KEY}: ([0-9a-f]{{{DIGITS}}})".encode())

BEGINNING = 2**22
"""Bytes among which a mark is looked for, where only that is asked."""

MOST = 2**32
"""Largest file of which the digest is compared."""


def seal(content: bytes) -> bytes:
    """Content that holds `UNSEALED`, with the digest in its place.

    Raises:
        ValueError: it holds no such mark.
    """
    found = MARK.search(content)
    if found is None or found[0] != UNSEALED.encode():
        raise ValueError("there is no place for a mark")
    return content[: found.start(1)] + _digest(content) + content[found.end(1) :]


def has_seal(path: Path) -> bool:
    """Whether a file, compressed or not, begins with what holds a mark."""
    return MARK.search(_read(path, BEGINNING)) is not None


def is_sealed(path: Path) -> bool:
    """Whether a file is what `seal` returned, byte by byte."""
    content = _read(path, MOST)
    found = MARK.search(content)
    if found is None:
        return False
    blank = content[: found.start(1)] + b"0" * DIGITS + content[found.end(1) :]
    return _digest(blank) == found[1]


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:DIGITS].encode()


def _read(path: Path, most: int) -> bytes:
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as file:
            return file.read(most)
    except (OSError, EOFError, zlib.error):
        return b""
