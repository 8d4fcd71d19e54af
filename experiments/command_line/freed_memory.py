"""Have the C library keep the memory that a tensor gives back, for the next one."""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of <malloc.h>


def keep_freed_memory() -> None:
    """Keep freed memory in this process, as glibc can; under another C library nothing happens.

    By itself glibc returns every block of more than 32 MiB to the system when it is freed, and the end of its heap as well.
    Each step on the processor then gets its tensors anew, and the system clears them page by page. Kept, they cost nothing
    the second time, and the process stays as large as it has once been. Numbers do not change. What it saves is measured by
    ``python -m experiments speed --measure memory``.

    What the environment says of it (``MALLOC_MMAP_MAX_``, ``MALLOC_TRIM_THRESHOLD_``, see ``man mallopt``) is left as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
    if mallopt is None:
        return
    if "MALLOC_MMAP_MAX_" not in os.environ:
        mallopt(M_MMAP_MAX, 0)
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        mallopt(M_TRIM_THRESHOLD, -1)
