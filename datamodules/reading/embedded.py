"""An image file that lies inside another file, such as a table, and is read like one of its own."""

import io
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class EmbeddedFile:
    """The bytes of an image file, with as much of the interface of a path as decoders use.

    Args:
        content: of the file.
        name: where it lies, for messages.
    """

    content: bytes
    name: str

    def __str__(self) -> str:
        return self.name

    def open(self, mode: str = "rb") -> io.BytesIO:
        """The bytes as a file."""
        return io.BytesIO(self.content)


ImageSource = Path | EmbeddedFile
"""What an image is decoded from."""
