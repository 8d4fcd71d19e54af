"""Available memory, and files that would not fit into it."""

import os
from collections.abc import Sequence
from pathlib import Path

from user_error import UserError


def read_available_bytes() -> int | None:
    """Bytes of memory that are available without swapping, on Linux; `None` where that is unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def require_memory(paths: Sequence[Path]) -> None:
    """Refuse files that would not fit into memory at once.

    Raises:
        UserError: they are larger than the available memory.
    """
    free = read_available_bytes()
    wanted = sum(os.path.getsize(path) for path in paths if path.is_file())
    if free is not None and wanted > free:
        raise UserError(
            f"{len(paths)} checkpoints of {wanted / 2**30:.1f} GiB do not fit into the {free / 2**30:.1f} GiB of memory that "
            "are free: combine fewer, or smaller networks"
        )
