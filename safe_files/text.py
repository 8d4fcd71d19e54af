"""Bytes and text of files, at most so many."""

import codecs
import os
import sys
from functools import cache
from pathlib import Path

from user_error import UserError

MEBI = 2**20
LARGEST = 64 * MEBI
"""Bytes of the largest text that is read: ten times those of a record of 150 classes under 76 conditions."""


def read_bytes(path: Path, remedy: str, limit: int = LARGEST) -> bytes:
    """The content of a file; of one that never ends, no more than the limit is read.

    Args:
        path: of the file.
        remedy: how the sentence on a wrong file ends.
        limit: bytes.

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
    """The content of a text file in UTF-8, or in UTF-16 with a mark of the byte order; its lines end as Python's do.

    Args:
        path: of the file.
        remedy: how the sentence on a wrong file ends.
        limit: bytes.
        latin: whether a text that is not UTF-8 is taken for that of older Windows programs (code page 1252), which is
            said: right for lists and tables that people write, wrong for what programs of ours do.

    Raises:
        UserError: it is no such text, or larger than `limit` bytes; it ends with `remedy`.
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
        text = _as_windows(content)
        say_once(f"{str(path)!r} is not in UTF-8: it is read as Latin-1, as older Windows programs write it")
    if "\0" in text:
        raise UserError(f"{str(path)!r} is not a text, since it holds a byte of zero: {remedy}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _as_windows(content: bytes) -> str:
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:  # five bytes have no character there
        return content.decode("latin-1")


@cache
def say_once(sentence: str) -> None:
    """Tell the user what was done with a file of theirs, from one process."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"note: {sentence}", file=sys.stderr, flush=True)
