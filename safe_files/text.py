"""Bytes and text of files, at most so many."""

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


def read_text(path: Path, remedy: str, limit: int = LARGEST) -> str:
    """The content of a text file in UTF-8, with or without a mark of the byte order; its lines end as Python's do.

    Raises:
        UserError: it is no such text, or larger than `limit` bytes; it ends with `remedy`.
        OSError: it cannot be read.
    """
    try:
        text = read_bytes(path, remedy, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{str(path)!r} is not a text in UTF-8 (byte {error.start}): {remedy}") from error
    if "\0" in text:
        raise UserError(f"{str(path)!r} is not a text, since it holds a byte of zero: {remedy}")
    return text.replace("\r\n", "\n").replace("\r", "\n")
