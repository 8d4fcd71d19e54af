"""Validation of a checkpoint: entries that other code reads exist, with valid types and sizes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from datamodules.aspect import ASPECTS
from datamodules.dataset import IGNORED
from datamodules.reading.image_reading import find_reading_problem, is_window
from plain_values import find_problem, show
from safe_files.tensor_file import find_tensor_problem
from user_error import UserError

REMEDY = "pass the file that 'fit' wrote"
MOST_CHANNELS = 65536
LARGEST_SIDE = 65535
TRAINING = "training"
"""Entry of a checkpoint in which `fit` describes the training; see `training.bookkeeping`."""

EXTRA = "_extra_state"
"""Suffix of the names under which torch stores the extra state of a module."""


def require_bounded(content: Mapping[str, Any], path: Path) -> None:
    """Refuse a checkpoint that cannot be traversed.

    Args:
        content: as torch read it, with its ``hyper_parameters``.
        path: of the file, for the message.

    Raises:
        UserError: it is nested too deeply, or its repeated references expand without bound.
    """
    problem = find_tensor_problem(content) or find_problem(content["hyper_parameters"])
    if problem:
        raise UserError(f"{str(path)!r} is no checkpoint of this project ({problem}): {REMEDY}")


def get_training(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The description of the training in a checkpoint; empty for those of versions that did not store it."""
    found = checkpoint.get(TRAINING)
    return found if isinstance(found, dict) else {}


def require_form(content: Mapping[str, Any], path: Path) -> None:
    """Refuse a checkpoint that does not have the form of this project's checkpoints.

    Args:
        content: as torch read it; see `require_bounded`.
        path: of the file, for the message.

    Raises:
        UserError: an entry is missing or invalid.
    """
    problem = _find_problem(content)
    if problem:
        raise UserError(f"{str(path)!r} is no checkpoint of this project ({problem}): {REMEDY}")


def _find_problem(content: Mapping[str, Any]) -> str:
    settings = content["hyper_parameters"]
    limits = {"num_classes": IGNORED, "in_channels": MOST_CHANNELS}
    for name, most in limits.items():
        if not _is_count(settings.get(name), most):
            return f"its {name} is {show(settings.get(name))}"
    if not isinstance(settings.get("network"), dict):
        return f"its network is {show(settings.get('network'))}"
    for name, value in content["state_dict"].items():
        if not isinstance(name, str) or not (isinstance(value, Tensor) or name.endswith(EXTRA)):
            return f"its state_dict holds {show(name)} of the type {type(value).__name__}"
    for key, state in content.items():
        if not isinstance(key, str):
            return f"it has the entry {show(key)}"
        if (
            isinstance(state, dict)
            and "palette" in state
            and (problem := _find_data_problem(state, settings["num_classes"], settings["in_channels"]))
        ):
            return f"its {key[:80]}: {problem}"
    return ""


def _find_data_problem(state: Mapping[str, Any], classes: int, number: int) -> str:
    """Describe what is wrong with the state of a data module; see `SegmentationDataModule.state_dict`."""
    named = state.get("classes")
    if named is not None and not (_is_text_list(named) and len(named) == classes):
        return f"its classes are {show(named)}, where the network tells {classes} apart"
    channels = state.get("channels")
    if channels is not None and not _is_text_list(channels):
        return f"its channels are {show(channels)}"
    palette = state["palette"]
    if palette is not None and not (
        _is_list(palette) and classes <= len(palette) <= 256 and all(map(_is_colour, palette))
    ):
        return f"its palette is {show(palette)}, no {classes} colours"
    size = state.get("size")
    if size is not None and not (
        _is_list(size) and len(size) == 2 and all(_is_count(side, LARGEST_SIDE) for side in size)
    ):
        return f"its size is {show(size)}"
    if state.get("aspect", "squash") not in ASPECTS:
        return f"its aspect is {show(state['aspect'])}"
    window = state.get("window")
    if window is not None and not is_window(window):
        return f"its window is {show(window)}"
    return find_reading_problem(state.get("reading"), number)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_text_list(value: Any) -> bool:
    return _is_list(value) and all(isinstance(one, str) for one in value)


def _is_count(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _is_colour(colour: Any) -> bool:
    return (
        _is_list(colour) and len(colour) == 3 and all(isinstance(level, int) and 0 <= level <= 255 for level in colour)
    )
