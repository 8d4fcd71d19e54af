"""Files that end with a seal (HMAC-SHA256): without the key, none can be written or altered."""

import hashlib
import hmac
import stat
from pathlib import Path

from experiments.files.atomic_write import atomic_write

LENGTH = hashlib.sha256().digest_size
PIECE = 2**20


def derive_key(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose, from which the original key cannot be found."""
    return hmac.digest(key, purpose, "sha256")


def write_sealed(path: Path, content: bytes, key: bytes) -> None:
    """Write a file and its seal atomically; the seal is valid for this content under this name only.

    Raises:
        OSError: the folder cannot be written or the disk is full.
    """
    sealing = _begin_seal(path, key)
    sealing.update(content)
    with atomic_write(path, "wb") as file:
        file.write(content)
        file.write(sealing.digest())


def is_sealed(path: Path, key: bytes) -> bool:
    """Whether a file exists and its seal is valid; it is read in pieces, whatever its size, and no link is followed."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size < LENGTH:
            return False
        sealing, remaining = _begin_seal(path, key), status.st_size - LENGTH
        with path.open("rb") as file:
            while remaining and (piece := file.read(min(PIECE, remaining))):
                sealing.update(piece)
                remaining -= len(piece)
            return not remaining and hmac.compare_digest(file.read(LENGTH + 1), sealing.digest())
    except OSError:
        return False


def read_sealed(path: Path, key: bytes) -> bytes | None:
    """The content of a file whose seal is valid, else `None`."""
    if not is_sealed(path, key):  # before it is read into memory
        return None
    found = path.read_bytes()
    content, seal = found[:-LENGTH], found[-LENGTH:]
    sealing = _begin_seal(path, key)
    sealing.update(content)
    return content if hmac.compare_digest(seal, sealing.digest()) else None


def _begin_seal(path: Path, key: bytes) -> hmac.HMAC:
    name = path.name.encode()
    return hmac.new(key, len(name).to_bytes(8, "big") + name, "sha256")
