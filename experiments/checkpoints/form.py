"""The form of a checkpoint: what others look up in it is there, of its kind and of a size that can be."""

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
"""Entry of a checkpoint with what `fit` says of its training; see `training.bookkeeping`."""

EXTRA = "_extra_state"
"""How the names end under which torch keeps what a module says beside its tensors."""


def require_bounded(content: Mapping[str, Any], path: Path) -> None:
    """Refuse a checkpoint that cannot be gone through.

    Args:
        content: as torch read it, with its ``hyper_parameters``.
        path: of the file, to be named.

    Raises:
        UserError: it is nested too deep, or unfolds without bound.
    """
    problem = find_tensor_problem(content) or find_problem(content["hyper_parameters"])
    if problem:
        raise UserError(f"{str(path)!r} is no checkpoint of this project ({problem}): {REMEDY}")


def training_of(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of its training; nothing where it is older than that."""
    found = checkpoint.get(TRAINING)
    return found if isinstance(found, dict) else {}


def require_form(content: Mapping[str, Any], path: Path) -> None:
    """Refuse a checkpoint that does not hold what one of this project holds.

    Args:
        content: as torch read it; see `require_bounded`.
        path: of the file, to be named.

    Raises:
        UserError: it does not.
    """
    problem = _complain(content)
    if problem:
        raise UserError(f"{str(path)!r} is no checkpoint of this project ({problem}): {REMEDY}")


def _complain(content: Mapping[str, Any]) -> str:
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
            and (problem := _complain_of_data(state, settings["num_classes"], settings["in_channels"]))
        ):
            return f"its {key[:80]}: {problem}"
    return ""


def _complain_of_data(state: Mapping[str, Any], classes: int, number: int) -> str:
    """What is wrong with the state of a data module; see `SegmentationDataModule.state_dict`."""
    named = state.get("classes")
    if named is not None and not (_are_texts(named) and len(named) == classes):
        return f"its classes are {show(named)}, where the network tells {classes} apart"
    channels = state.get("channels")
    if channels is not None and not _are_texts(channels):
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


def _are_texts(value: Any) -> bool:
    return _is_list(value) and all(isinstance(one, str) for one in value)


def _is_count(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _is_colour(colour: Any) -> bool:
    return (
        _is_list(colour) and len(colour) == 3 and all(isinstance(level, int) and 0 <= level <= 255 for level in colour)
    )
