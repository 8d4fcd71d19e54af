"""Bytes and text of files, up to a largest size."""

import codecs
import os
import sys
from functools import cache
from pathlib import Path

from user_error import UserError

MEBI = 2**20
LARGEST = 64 * MEBI
"""Largest size of a text in bytes: ten times that of a record of 150 classes under 76 conditions."""


def read_bytes(path: Path, remedy: str, limit: int = LARGEST) -> bytes:
    """The content of a file; no more than the limit is read, even of an endless one such as ``/dev/zero``.

    Args:
        path: of the file.
        remedy: how the sentence on a wrong file ends.
        limit: largest size in bytes.

    Raises:
        UserError: it is larger than `limit`.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise UserError(f"{str(path)!r} is larger than {limit / MEBI:g} MiB: {remedy}")
    return content


def read_text(path: Path, remedy: str, limit: int = LARGEST, *, latin: bool = False) -> str:
    """The content of a text file in UTF-8, or in UTF-16 with a byte order mark; all line endings become a line feed.

    Args:
        path: of the file.
        remedy: how the sentence on a wrong file ends.
        limit: largest size in bytes.
        latin: whether a text that is not UTF-8 is decoded as that of older Windows programs (code page 1252), with a note
            to the user: meant for lists and tables that people write, not for files that this project writes.

    Raises:
        UserError: it is no such text, or larger than `limit` bytes; the message ends with `remedy`.
        OSError: it cannot be read.
    """
    content = read_bytes(path, remedy, limit)
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if not latin or encoding == "utf-16":
            name = encoding.removesuffix("-sig").upper()
            raise UserError(f"{str(path)!r} is not a text in {name} (byte {error.start}): {remedy}") from error
        text = _decode_windows(content)
        print_note_once(f"{str(path)!r} is not in UTF-8: it is read as Latin-1, as older Windows programs write it")
    if "\0" in text:
        raise UserError(f"{str(path)!r} is not a text, since it holds a byte of zero: {remedy}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode_windows(content: bytes) -> str:
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:  # five bytes have no character in code page 1252
        return content.decode("latin-1")


@cache
def print_note_once(sentence: str) -> None:
    """Print a note for the user once, and from the first process of a machine alone."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"note: {sentence}", file=sys.stderr, flush=True)
