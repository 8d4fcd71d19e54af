"""Files with a seal at their end: who does not know the key can neither write nor alter one."""

import hashlib
import hmac
import stat
from pathlib import Path

from experiments.files.whole import whole_file

LENGTH = hashlib.sha256().digest_size
PIECE = 2**20


def derive(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose, from which the other is not found."""
    return hmac.digest(key, purpose, "sha256")


def write_sealed(path: Path, content: bytes, key: bytes) -> None:
    """Write a file, whole or not at all, and its seal, which holds for this content under this name alone.

    Raises:
        OSError: the folder cannot be written or the disk is full.
    """
    sealing = _sealing(path, key)
    sealing.update(content)
    with whole_file(path, "wb") as file:
        file.write(content)
        file.write(sealing.digest())


def holds(path: Path, key: bytes) -> bool:
    """Whether a file is there with its seal; it is read a piece at a time, whatever its size, and no link is followed."""
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_size < LENGTH:
            return False
        sealing, left = _sealing(path, key), facts.st_size - LENGTH
        with path.open("rb") as file:
            while left and (piece := file.read(min(PIECE, left))):
                sealing.update(piece)
                left -= len(piece)
            return not left and hmac.compare_digest(file.read(LENGTH + 1), sealing.digest())
    except OSError:
        return False


def read_sealed(path: Path, key: bytes) -> bytes | None:
    """The content of a file whose seal holds, else nothing."""
    if not holds(path, key):  # before it is taken into memory
        return None
    found = path.read_bytes()
    content, seal = found[:-LENGTH], found[-LENGTH:]
    sealing = _sealing(path, key)
    sealing.update(content)
    return content if hmac.compare_digest(seal, sealing.digest()) else None


def _sealing(path: Path, key: bytes) -> hmac.HMAC:
    name = path.name.encode()
    return hmac.new(key, len(name).to_bytes(8, "big") + name, "sha256")
