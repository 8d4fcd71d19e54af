"""What guards a sweep: the lock of its record, and the key that seals its journal."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from experiments.command_line.processes import is_first_process
from experiments.files.atomic_write import require_writable
from experiments.files.lock import hold_lock
from experiments.files.secret import find_secret


def lock_record(output: Path) -> AbstractContextManager[Any]:
    """Lock a record against other sweeps, from the first read of its journal to the last picture beside it.

    Raises:
        UserError: another sweep holds the lock.
    """
    if not is_first_process():
        return nullcontext()
    require_writable(output)
    return hold_lock(output.with_name(f".{output.stem}.lock"), f"a sweep for {output} is running", keep_file=False)


def read_secret() -> bytes:
    """The key of this user; where it cannot be stored, a key of this process alone, with a note."""
    secret, why = find_secret()
    if why is not None:
        print(
            f"once interrupted, this sweep cannot go on, since no key can be kept that knows it again ({why}): set "
            "XDG_STATE_HOME to a folder of yours",
            flush=True,
        )
    return secret
