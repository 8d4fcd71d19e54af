"""The digest of a file, by which a record knows what it was made of."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from user_error import UserError


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def different(paths: Sequence[Path]) -> list[str]:
    """The digests of checkpoints, of which no two are the same.

    Raises:
        UserError: two are.
    """
    found: dict[str, Path] = {}
    for path in paths:
        digest = sha256(path)
        if digest in found:
            raise UserError(f"{str(found[digest])!r} and {str(path)!r} are the same checkpoint: pass it once")
        found[digest] = path
    return list(found)
