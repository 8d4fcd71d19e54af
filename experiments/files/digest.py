"""Digests of files, by which a record identifies the files that it was made from."""

import hashlib
from pathlib import Path


def compute_sha256(path: Path) -> str:
    """Hex SHA-256 digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
