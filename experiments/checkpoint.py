"""Checkpoints: read as data, rebuilt from what they say of themselves."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

TRUSTED = ("lightning_modules.", "torch.", "segmentation_models_pytorch.")
"""Packages whose classes a checkpoint may name; others would run code of the checkpoint's choice."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, as tensors and plain data.

    Raises:
        UserError: no such file, no checkpoint of this project, or one that holds a pickled payload.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint {str(path)!r}: pass the best.ckpt or last.ckpt of a run folder")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise UserError(_refusal(path, error)) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise UserError(
            f"{str(path)!r} is not a checkpoint, or was cut short: pass the file that 'fit' wrote"
        ) from error
    if not isinstance(content, dict) or not {"state_dict", "hyper_parameters"} <= set(content):
        raise UserError(f"{str(path)!r} holds no LightningModule with its settings: pass the file that 'fit' wrote")
    for name in class_paths(content["hyper_parameters"]):
        if not name.startswith(TRUSTED):
            raise UserError(
                f"the checkpoint {str(path)!r} asks for the class {name!r}, which is not of this project: refused"
            )
    return content


def _refusal(path: Path, error: UnpicklingError) -> str:
    if "Unsupported" in str(error) or "GLOBAL" in str(error):
        return f"the checkpoint {str(path)!r} holds pickled objects besides tensors; it was not opened, since these can run code"
    return f"{str(path)!r} is not a checkpoint: pass the file that 'fit' wrote"


def class_paths(settings: Any) -> Iterator[str]:
    """Every class that saved settings name."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            if key in ("class_path", "_class_path"):
                yield str(value)
            else:
                yield from class_paths(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from class_paths(value)


def load_module(path: Path) -> SegmentationModule:
    """The module of a checkpoint, on the CPU and in evaluation mode; nothing but the file is needed.

    Raises:
        UserError: see `read_checkpoint`, or the file's weights do not fit the network it names.
    """
    read_checkpoint(path)
    warnings.filterwarnings("ignore", "Attribute 'loss' is an instance")
    try:
        module = SegmentationModule.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except (RuntimeError, TypeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(f"the checkpoint {str(path)!r} cannot be rebuilt by this version: {first}") from error
    return module.eval()
