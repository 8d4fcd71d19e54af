"""The secret key of this user, which seals unfinished work, so that files of others are not taken for it."""

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
    """This user's key of 32 random bytes, created at the first call; and if it could not be stored, the reason.

    It is stored in ``$XDG_STATE_HOME`` or ``~/.local/state``, where nobody else can read it. A key that cannot be stored
    is valid in this process only.
    """
    try:
        folder = _find_state_folder() / FOLDER
        with _lock_folder(folder):
            return _read(folder / "key") or _make(folder / "key"), None
    except (OSError, RuntimeError) as error:  # no home, or one that cannot be written
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return secrets.token_bytes(LENGTH), " ".join(why.split())


def _find_state_folder() -> Path:
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".local" / "state"


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Let one process at a time look for the key and create it; the system releases the lock when its holder ends."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes | None:
    """The key; `None` where there is none, or it is incomplete.

    Raises:
        PermissionError: other users can read the key, or may have written it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise PermissionError(f"{path} must be a file of this user that nobody else may read: remove it")
        found = file.read(LENGTH + 1)
    return found if len(found) == LENGTH else None


def _make(path: Path) -> bytes:
    """Write a new key atomically; the caller holds the lock."""
    key, part = secrets.token_bytes(LENGTH), path.with_name("key.new")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(descriptor)
    part.replace(path)
    return key
