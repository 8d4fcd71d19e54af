"""The preprocessing of a network of Transformers, from the file of its image processor."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.published_networks.folder import require_no_code
from safe_files.json_file import read_json_object
from user_error import UserError

FILES = ("preprocessor_config.json", "processor_config.json")
RESAMPLES = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of the methods of resizing."""

LARGEST_SIDE = 65535
SIDES = ("height", "width", "shortest_edge", "longest_edge", "max_height", "max_width")


@dataclass(frozen=True)
class Preprocessing:
    """How images are prepared for a network.

    Args:
        mean: of the images by channel, in shares of their range; what the network subtracts.
        std: likewise; what it divides by.
        size: sides that images are resized to, by name; empty where they keep their size.
        resample: how they are resized.
        reversed_channels: whether the network takes blue, green, red.
        reduced_labels: whether the training's label 0 was no class, and all others were one lower.
        others: further steps that it states and a sweep does not take, in words.
    """

    mean: list[float]
    std: list[float]
    size: Mapping[str, int]
    resample: str
    reversed_channels: bool
    reduced_labels: bool
    others: list[str]

    def as_json(self) -> dict[str, Any]:
        """As a checkpoint records it."""
        return {
            "mean": self.mean,
            "std": self.std,
            "size": dict(self.size),
            "resample": self.resample,
            "reversed_channels": self.reversed_channels,
            "reduced_labels": self.reduced_labels,
            "others": self.others,
        }


def read_preprocessing(folder: Path, channels: int) -> Preprocessing | None:
    """The preprocessing that a folder states; `None` where it has no file of an image processor.

    Settings that the file leaves out are the defaults of its class in Transformers.

    Args:
        folder: of the network.
        channels: number of the network's channels.

    Raises:
        UserError: the file is none of an image processor, or a setting is no such value.
    """
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        return None
    stated = read_json_object(path, "pass the folder of the whole repository")
    require_no_code(stated, str(path))
    nested = stated.get("image_processor")
    given = nested if isinstance(nested, dict) else stated
    settings = {**_find_defaults(given, path), **given}
    return _interpret(settings, given, str(path), channels)


def _find_defaults(given: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The defaults of the processor's class in Transformers; none for a class that it does not know."""
    import transformers

    name = given.get("image_processor_type") or given.get("feature_extractor_type") or given.get("processor_class")
    if name is None:
        return {}
    words = str(name).replace("FeatureExtractor", "ImageProcessor").removesuffix("Fast")
    if words.endswith("Processor") and not words.endswith("ImageProcessor"):
        words = words.removesuffix("Processor") + "ImageProcessor"
    kind = getattr(transformers, words, None) if words.isidentifier() and words.endswith("ImageProcessor") else None
    if kind is None:
        raise UserError(
            f"{str(path)!r} is of the class {str(name)[:80]!r}, no image processor of Transformers: pass --mean and --std"
        )
    names: tuple[str, ...] = (
        "image_mean",
        "image_std",
        "rescale_factor",
        "do_rescale",
        "do_normalize",
        "do_resize",
        "resample",
    )
    names += ("do_center_crop", "do_flip_channel_order", "do_reduce_labels", "do_split_image")
    return {key: getattr(kind, key) for key in names if hasattr(kind, key)}  # None stands for: not done


def _interpret(settings: Mapping[str, Any], given: Mapping[str, Any], where: str, channels: int) -> Preprocessing:
    factor = _read_number(settings.get("rescale_factor", 1 / 255), "rescale_factor", where)
    factor = factor if settings.get("do_rescale", True) else 1.0
    normalises = bool(settings.get("do_normalize", True))
    mean = _read_levels(settings.get("image_mean"), "image_mean", where, channels) if normalises else [0.0] * channels
    std = _read_levels(settings.get("image_std"), "image_std", where, channels) if normalises else [1.0] * channels
    if factor <= 0 or min(std) <= 0:
        raise UserError(
            f"{where} has a rescale_factor or image_std that is not above 0: pass the repository's own file"
        )
    resample = settings.get("resample", 2)
    if resample not in RESAMPLES:
        raise UserError(f"{where} has {resample!r} as resample, no method of resizing that is known here: correct it")
    size = _read_size(given.get("size"), where) if settings.get("do_resize", True) else {}
    others = []
    if settings.get("do_center_crop"):
        others.append("a crop of the centre")
    if settings.get("do_split_image"):
        others.append("windows along the longer side")
    scale = 255 * factor
    return Preprocessing(
        [level / scale for level in mean],
        [level / scale for level in std],
        size,
        RESAMPLES[resample],
        settings.get("do_flip_channel_order", False) is True,
        (settings.get("do_reduce_labels") or settings.get("reduce_labels") or False) is True,
        others,
    )


def _read_levels(value: Any, key: str, where: str, channels: int) -> list[float]:
    found = [value] * channels if isinstance(value, int | float) else value
    if not isinstance(found, list | tuple) or len(found) != channels:
        raise UserError(
            f"{where} has {str(value)[:80]!r} as {key}, not a number for each of {channels} channels: correct it"
        )
    return [_read_number(one, key, where) for one in found]


def _read_number(value: Any, key: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"{where} has {str(value)[:80]!r} as {key}, which is no number: correct it")
    return float(value)


def _read_size(value: Any, where: str) -> dict[str, int]:
    """The sides in a processor's size; an older form is one number, or a list of two."""
    if value is None:
        return {}
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"height": value, "width": value}
    if isinstance(value, list) and len(value) == 2:
        value = dict(zip(("height", "width"), value, strict=True))
    known = {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else {}
    sides = all(
        isinstance(one, int) and not isinstance(one, bool) and 1 <= one <= LARGEST_SIDE for one in known.values()
    )
    if not known or not sides or any(key not in SIDES for key in known):
        raise UserError(
            f"{where} has {str(value)[:80]!r} as size, which is no height and width: correct it, or leave it out"
        )
    return known


def describe_size(size: Mapping[str, int]) -> str:
    """Sides in words."""
    if set(size) == {"height", "width"}:
        return f"{size['height']} x {size['width']}"
    return ", ".join(f"{key.replace('_', ' ')} {side}" for key, side in size.items())
