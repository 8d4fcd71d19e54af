"""What only this user knows: the key that seals unfinished work, so that nobody else's passes for it."""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LENGTH = 32
FOLDER = "robust-segmentation"


def find_secret() -> tuple[bytes, str | None]:
    """This user's key of 32 random bytes, made at the first call; and why it is one of this process alone, if it is.

    It lies in ``$XDG_STATE_HOME`` or ``~/.local/state``, where nobody else can read it. Where that is impossible, what is
    sealed in this process opens in no other.
    """
    try:
        folder = _state() / FOLDER
        with _locked(folder):
            return _read(folder / "key") or _make(folder / "key"), None
    except (OSError, RuntimeError) as error:  # no home, or one that cannot be written
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return secrets.token_bytes(LENGTH), " ".join(why.split())


def _state() -> Path:
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".local" / "state"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time looks for the key and makes it; the system lets go of the lock with its holder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes | None:
    """The key; `None` where there is none, or but a part of one.

    Raises:
        PermissionError: others know it, or may have written it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            raise PermissionError(f"{path} must be a file of this user that nobody else may read: remove it")
        found = file.read(LENGTH + 1)
    return found if len(found) == LENGTH else None


def _make(path: Path) -> bytes:
    """A new key, which appears whole; under the lock."""
    key, part = secrets.token_bytes(LENGTH), path.with_name("key.new")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(descriptor)
    part.replace(path)
    return key
