"""The file of a checkpoint: it appears whole, beside the one that it replaces, or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from experiments.files.whole import whole_file


def write_checkpoint(content: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint.

    Raises:
        OSError: the folder cannot be written or the disk is full; `path` is then as it was.
    """
    with whole_file(path, "wb") as file:
        try:
            torch.save(dict(content), file)
        except RuntimeError as error:  # torch's writer makes one of its own of what the system refuses
            raise _find_refusal(error) or error from error


def _find_refusal(error: BaseException | None) -> OSError | None:
    while error is not None:
        if isinstance(error, OSError):
            return error
        error = error.__cause__ or error.__context__
    return None
