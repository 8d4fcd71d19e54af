"""Tables of comma-separated values: a header, and rows of its length."""

import csv
import io
from pathlib import Path

from safe_files.text import LARGEST, read_text
from user_error import UserError

SEPARATORS = (",", ";", "\t")
"""Of the fields: the one that occurs most often in the header is used. Spreadsheets of several countries write ``;``."""


def read_csv(
    path: Path, remedy: str, limit: int = LARGEST, *, latin: bool = False
) -> tuple[list[str], list[dict[str, str]]]:
    """The names of the columns, and each row as a mapping from column to value.

    Args:
        path: of the file.
        remedy: how the sentence on a wrong file ends.
        limit: largest size in bytes.
        latin: see `read_text`.

    Raises:
        UserError: it is no such table, a column has no name of its own, or a row is of another length.
        OSError: it cannot be read.
    """
    try:
        text = read_text(path, remedy, limit, latin=latin)
        first = text.lstrip().partition("\n")[0]
        separator = max(SEPARATORS, key=first.count)
        table = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        lines = [fields for row in table if any(fields := [field.strip() for field in row])]
    except csv.Error as error:  # a field beyond the reader's limit
        raise UserError(f"{path} is not a table of comma-separated values ({error}): {remedy}") from error
    if not lines:
        raise UserError(f"{path} is empty: {remedy}")
    header, *rows = lines
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise UserError(f"{path} has two columns {twice[:80]!r}: {remedy}")
    for place, row in enumerate(rows):
        if len(row) != len(header):
            raise UserError(
                f"{path} has a row of another length ({','.join(row)[:80]!r}, row {place + 1}): give it a value for each column"
            )
    return header, [dict(zip(header, row, strict=True)) for row in rows]
