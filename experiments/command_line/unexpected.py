"""The message for an unexpected error."""

import platform
import shlex
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

SOFTWARE = 70
"""Exit status of an unexpected error: EX_SOFTWARE of sysexits.h."""
PACKAGES = ("torch", "pytorch-lightning", "jsonargparse", "numpy")


def report_unexpected(argv: Sequence[str], error: BaseException) -> int:
    """Print the traceback and, in one line, what a report of it should contain; returns the exit status."""
    traceback.print_exception(error)
    print(
        f"unexpected: this may be a fault of this project, not of yours: report it to its authors with the traceback above, "
        f"the command ({shlex.join(['python', '-m', 'experiments', *argv])}), the config.yaml of the run folder where there "
        f"is one, and the versions ({_list_versions()})",
        file=sys.stderr,
    )
    return SOFTWARE


def _list_versions() -> str:
    found = [f"Python {platform.python_version()} on {platform.system()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)
