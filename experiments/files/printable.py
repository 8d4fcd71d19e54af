"""Untrusted text made safe to print: no terminal control characters, no change of text direction, no spreadsheet formulas."""

import re
from typing import Any, TextIO

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters but tabs and line ends, and those that turn the direction of text."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters of a cell that a spreadsheet takes for a formula; see https://owasp.org/www-community/attacks/CSV_Injection."""


def escape_controls(text: str) -> str:
    r"""The text with control characters escaped as in Python source, such as ``\x1b``."""
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def as_cell(value: Any) -> Any:
    """A text as the cell of a table: in one line, and not a formula; other values are returned unchanged."""
    if not isinstance(value, str):
        return value
    line = escape_controls(value).replace("\n", r"\n").replace("\t", r"\t")
    return f"'{line}" if value.startswith(FORMULA) else line


class PrintableStream:
    """A text stream that escapes control characters with `escape_controls`; all else is delegated to the stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text with its control characters escaped."""
        return self._stream.write(escape_controls(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
