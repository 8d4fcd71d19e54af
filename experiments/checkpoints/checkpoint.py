"""Checkpoints: read as data, rebuilt from what they say of themselves."""

import importlib
import inspect
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from lightning_modules.segmentation import SegmentationModule
from user_error import UserError, brief

TRUSTED = ("lightning_modules.", "torch.nn.", "torch.optim.", "segmentation_models_pytorch.losses.")
"""Packages whose classes a checkpoint may name; others would run code of the checkpoint's choice."""

TRUSTED_DATA = ("datamodules.", "albumentations.")
"""Packages whose classes the data of a run folder may name."""

TRUST = "ROBUST_SEGMENTATION_TRUST"
"""Environment variable: further packages, separated by commas ("mypackage.,other.nets."), that the user trusts by name."""

FREE_TEXT = ("root", "unit", "encoder", "encoder_weights", "start", "onnx_file", "_instantiator")
"""Settings whose text may look like an import path and is none; Lightning checks its `_instantiator` itself."""

IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def require_checkpoint(path: Path) -> None:
    """Refuse the path of no file.

    Raises:
        UserError: there is none.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint {str(path)!r}: pass the best.ckpt or last.ckpt of a run folder")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, as tensors and plain data.

    Raises:
        UserError: no such file, no checkpoint of this project, or one that holds a pickled payload.
    """
    require_checkpoint(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise UserError(_refusal(path, error)) from error
    except Exception as error:  # a file that is cut short or no archive fails in many ways
        raise UserError(
            f"{str(path)!r} is not a checkpoint, or was cut short: pass the file that 'fit' wrote"
        ) from error
    settings = content.get("hyper_parameters") if isinstance(content, dict) else None
    if not isinstance(settings, dict) or not isinstance(content.get("state_dict"), dict):
        raise UserError(f"{str(path)!r} holds no LightningModule with its settings: pass the file that 'fit' wrote")
    for name in import_paths(settings):
        if not _is_trusted_class(name):
            raise UserError(
                f"the checkpoint {str(path)!r} asks for {name!r}, which is no class of this project: it was refused"
                f"{_remedy(name)}"
            )
    return content


def _refusal(path: Path, error: UnpicklingError) -> str:
    if "Unsupported" in str(error) or "GLOBAL" in str(error):
        return (
            f"the checkpoint {str(path)!r} holds pickled objects besides tensors; it was not opened, since these can "
            "run code"
        )
    return f"{str(path)!r} is not a checkpoint: pass the file that 'fit' wrote"


def import_paths(settings: Any, key: str = "") -> Iterator[str]:
    """Everything in saved settings that a parser could take for something to import."""
    if isinstance(settings, dict):
        for name, value in settings.items():
            yield from import_paths(value, str(name))
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from import_paths(value, key)
    elif key in ("class_path", "_class_path", "target"):
        yield str(settings)
    elif isinstance(settings, str) and key not in FREE_TEXT and IMPORT_PATH.fullmatch(settings):
        yield settings


def require_trusted_data(settings: Mapping[str, Any], path: Path) -> None:
    """Refuse data, from the ``config.yaml`` of a run folder, that would import what is not of this project.

    Args:
        settings: class and settings of a data module; ``where`` holds values of a table, and is not looked at.
        path: of the file, to be named.

    Raises:
        UserError: they would.
    """
    init = {key: value for key, value in (settings.get("init_args") or {}).items() if key != "where"}
    for name in import_paths({**settings, "init_args": init}):
        if not name.startswith((*TRUSTED_DATA, *trusted_by_user())):
            raise UserError(
                f"{str(path)!r} asks for {name!r}, which is no class of this project: it was refused{_remedy(name)}"
            )


def _remedy(name: str) -> str:
    """How to trust a name. Not said of Python's own modules and of torch, of which a network's settings name none."""
    package = name.split(".")[0]
    if package in sys.stdlib_module_names or name.startswith((*TRUSTED, "torch.")):
        return ""
    return f"; if it is yours, trust its package by {TRUST}={package}."


def trusted_by_user() -> tuple[str, ...]:
    """The prefixes of ``ROBUST_SEGMENTATION_TRUST``, each ending with a dot: "my" does not let "mypackage" in."""
    packages = (part.strip().rstrip(".") for part in os.environ.get(TRUST, "").split(","))
    return tuple(f"{package}." for package in packages if package)


def _is_trusted_class(name: str) -> bool:
    """Whether a checkpoint may name it: a class of ours, or anything in a package that the user trusts."""
    if name.startswith(trusted_by_user()):
        return True
    if not name.startswith(TRUSTED):
        return False
    module, _, attribute = name.rpartition(".")
    try:
        return inspect.isclass(getattr(importlib.import_module(module), attribute, None))
    except ImportError:
        return False


def _module_class(settings: dict[str, Any]) -> type[SegmentationModule]:
    """The variant that was trained: Lightning alone would rebuild the base, without the hooks that a variant overrides.

    The name is among the trusted ones: `read_checkpoint` has seen to it.
    """
    module, _, name = str(settings.get("_class_path", "")).rpartition(".")
    kind = getattr(importlib.import_module(module), name) if module else SegmentationModule
    return kind if inspect.isclass(kind) and issubclass(kind, SegmentationModule) else SegmentationModule


def data_state(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint keeps of its data: classes, channels, palette, size, window; by the name of the data module."""
    return {key: value for key, value in content.items() if isinstance(value, dict) and "palette" in value}


def describe_data(path: Path) -> dict[str, Any]:
    """Classes, channels, palette, size and window that a checkpoint keeps of its data; empty where it keeps none."""
    return next(iter(data_state(read_checkpoint(path)).values()), {})


def load_module(path: Path) -> SegmentationModule:
    """The module of a checkpoint, on the CPU and in evaluation mode; nothing but the file is needed.

    Raises:
        UserError: see `read_checkpoint`, or the file's weights do not fit the network it names.
    """
    settings = read_checkpoint(path)["hyper_parameters"]
    warnings.filterwarnings("ignore", "Attribute '(loss|weighting)' is an instance")
    try:
        module = _module_class(settings).load_from_checkpoint(path, map_location="cpu", weights_only=True)
    except Exception as error:  # settings of another version fail in the parser, the constructor or the weights
        raise UserError(f"the checkpoint {str(path)!r} cannot be rebuilt by this version: {brief(error)}") from error
    return module.eval()
