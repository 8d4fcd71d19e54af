"""Reading checkpoints as plain data, and rebuilding their modules from the settings that they hold."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from experiments.checkpoints.earlier_checkpoints import translate_checkpoint
from experiments.checkpoints.form import require_bounded, require_form
from experiments.checkpoints.opened_checkpoint import CheckpointFile, open_checkpoint
from experiments.checkpoints.untrusted_settings import build, require_plain_component
from lightning_modules.segmentation import SegmentationModule
from plain_values import show
from safe_files.tensor_file import DamagedError, require_unpacked
from user_error import UserError, shorten

MODULE = f"{SegmentationModule.__module__}.{SegmentationModule.__qualname__}"


def read_checkpoint(source: Path | CheckpointFile) -> dict[str, Any]:
    """The content of a checkpoint, as tensors and plain data.

    Raises:
        UserError: no such file, no checkpoint of this project, or one that holds a pickled payload.
    """
    file = open_checkpoint(source)
    path = file.path
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            require_unpacked(file.rewind())
            content = torch.load(file.rewind(), map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise UserError(_describe_refusal(path, error)) from error
    except DamagedError as error:
        raise UserError(
            f"the checkpoint {str(path)!r} is damaged ({shorten(error)}), by a disk or a copy: take another copy of it"
        ) from error
    except Exception as error:  # a truncated file, or one that is no archive, raises many kinds of errors
        raise UserError(
            f"{str(path)!r} is not a checkpoint, or was cut short: pass the file that 'fit' wrote"
        ) from error
    settings = content.get("hyper_parameters") if isinstance(content, dict) else None
    if not isinstance(settings, dict) or not isinstance(content.get("state_dict"), dict):
        raise UserError(f"{str(path)!r} holds no LightningModule with its settings: pass the file that 'fit' wrote")
    require_bounded(content, path)
    content = translate_checkpoint(content)
    module = make_module_component(content["hyper_parameters"])
    require_plain_component(SegmentationModule, module, f"the checkpoint {str(path)!r}", "its module")
    require_form(content, path)
    _require_numbers(content["state_dict"], path)
    return content


def _require_numbers(state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Refuse weights that are NaN or infinite, as after a diverged training; -inf is allowed, since masks may hold it."""
    for name, value in state.items():
        if (
            isinstance(value, torch.Tensor)
            and value.is_floating_point()
            and bool((value.isnan() | value.isposinf()).any())
        ):
            raise UserError(
                f"the checkpoint {str(path)!r} holds weights that are no finite numbers, {show(name)} the first: its training "
                "or a conversion overflowed; take another checkpoint"
            )


def _describe_refusal(path: Path, error: UnpicklingError) -> str:
    with path.open("rb") as file:
        archive = file.read(2).startswith((b"PK", b"\x80"))  # of torch.save, or of its earlier versions
    if archive and ("Unsupported" in str(error) or "GLOBAL" in str(error)):
        return (
            f"the checkpoint {str(path)!r} holds pickled objects besides tensors; it was not opened, since these can "
            "run code"
        )
    return f"{str(path)!r} is not a checkpoint: pass the file that 'fit' wrote"


def make_module_component(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The module of a checkpoint as a component: the class that was trained and its settings."""
    given = {key: value for key, value in settings.items() if key not in ("_class_path", "_instantiator")}
    return {"class_path": settings.get("_class_path", MODULE), "init_args": given}


def extract_data_state(content: Mapping[str, Any]) -> dict[str, Any]:
    """The state of the data module (classes, channels, palette, size, window) in a checkpoint, by the module's name."""
    return {key: value for key, value in content.items() if isinstance(value, dict) and "palette" in value}


def describe_data(source: Path | CheckpointFile) -> dict[str, Any]:
    """Classes, channels, palette, size and window of a checkpoint's data; empty where it does not store them."""
    return next(iter(extract_data_state(read_checkpoint(source)).values()), {})


def load_module(source: Path | CheckpointFile) -> SegmentationModule:
    """Rebuild the module of a checkpoint from the file alone, on the CPU and in evaluation mode.

    Raises:
        UserError: see `read_checkpoint`, or the file's weights do not fit the network it names.
    """
    file = open_checkpoint(source)
    path, content = file.path, read_checkpoint(file)
    warnings.filterwarnings("ignore", "Attribute '(loss|objective)' is an instance")
    try:
        module = build(
            SegmentationModule, make_module_component(content["hyper_parameters"]), f"the checkpoint {str(path)!r}"
        )
        module.load_state_dict(content["state_dict"])
    except UserError as error:
        raise UserError(f"the checkpoint {str(path)!r} cannot be rebuilt: {error}") from error
    except Exception as error:  # settings of another version fail in the parser, the constructor or the weights
        raise UserError(f"the checkpoint {str(path)!r} cannot be rebuilt by this version: {shorten(error)}") from error
    return module.eval()
