"""A proposed ``dataset.yaml`` for a folder that has none, inferred from its files."""

import re
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import numpy as np

from datamodules.reading.decoding import open_picture, read_levels
from datamodules.reading.found_files import find_files
from datamodules.reading.layouts import SIDES, find_ending
from datamodules.reading.lists import SPLIT_NAMES
from user_error import UserError

SAMPLE = 200
"""Masks that are looked at."""

MOST_CLASSES = 255

NNUNET = re.compile(r"_\d{4}$")
"""Ends the name of an image of nnU-Net, by its channel."""

FOLDERS = (*product(*SIDES), ("imagesTr", "labelsTr"), ("images", "images"), (".", "."))
"""Of images and of masks, inside the folder of a split."""


def propose_description(root: Path) -> str | None:
    """The text of a ``dataset.yaml``: the classes that occur in a sample of the masks, and the channels of an image.

    Returns:
        `None` where no images and masks are found, or the values of the masks are no ids of classes.

    Raises:
        UserError: what the masks hold can be read in two ways.
    """
    places = [root / name for name in SPLIT_NAMES if (root / name).is_dir()] or [root]
    for image_folder, mask_folder in FOLDERS:
        found = [place for place in places if (place / image_folder).is_dir() and (place / mask_folder).is_dir()]
        ending = find_ending(found[0] / image_folder) if found and image_folder == mask_folder else ""
        if not found or ending is None:
            continue
        try:
            images = list(find_files(found[0] / image_folder).by_id.values())
            masks = [path for place in found for path in _list_masks(place / mask_folder, ending)]
        except UserError:
            return None
        if images and masks:
            return _write(images[0], masks, (image_folder, mask_folder, ending), root)
    return None


def _list_masks(folder: Path, ending: str) -> list[Path]:
    return [path for name, path in find_files(folder).by_id.items() if name.endswith(ending)]


def _write(image: Path, masks: list[Path], naming: tuple[str, str, str], root: Path) -> str | None:
    step = max(1, len(masks) // SAMPLE)
    found = _read_values(masks[::step])
    values = set().union(*found)
    _refuse_mixed(found, values)
    channels = _name_channels(image)
    binary = values == {0, 255}
    ids = sorted(values if binary else values - {255})
    if channels is None or not 2 <= len(ids) <= MOST_CLASSES:
        return None
    lines = ["classes:   # names are yours to write", *(f"  {one}: {_name_class(one, ids)}" for one in ids)]
    lines.append(f"ignore_index: {255 if 255 in values and not binary else 'null'}")
    lines.append(f"channels: [{', '.join(channels)}]")
    image_folder, mask_folder, ending = naming
    lines += (
        [f"image_folder: {image_folder}", f"mask_folder: {mask_folder}"] if (naming[:2]) != ("images", "masks") else []
    )
    lines += [f"mask_suffix: {ending}"] if ending else []
    lines += [f"image_suffix: {mark[0]}"] if (mark := NNUNET.search(image.stem)) and image_folder == "imagesTr" else []
    if not any((place / name).is_dir() for name in SPLIT_NAMES for place in (root, root / image_folder)):
        lines.append("splits: {train: train.txt, val: val.txt, test: test.txt}   # a name on each line")
    return "\n".join(lines) + "\n"


def _name_class(number: int, ids: list[int]) -> str:
    return "background" if number == 0 else "object" if len(ids) == 2 else f"class_{number}"


def _refuse_mixed(found: list[set[int]], values: set[int]) -> None:
    """Refuse to guess what 255 means where some masks are black and white and others hold ids.

    Raises:
        UserError: they do.
    """
    white = [one for one in found if 255 in one]
    if values == {0, 1, 255} and white and all(1 not in one for one in white):
        raise UserError(
            f"{len(white)} of its masks hold 0 and 255, and others 0 and 1, so that it is not known whether 255 is ignored or is "
            "the class 1: bring the masks to one of both"
        )


def _read_values(masks: Iterable[Path]) -> list[set[int]]:
    """The values that occur in each; nothing where masks are no levels of one channel."""
    found: list[set[int]] = []
    for path in masks:
        try:
            levels = read_levels(path) if path.suffix.lower() == ".npy" else np.asarray(open_picture(path).image)
        except Exception:  # decoders raise many kinds; reported when the file is read
            continue
        levels = levels[..., 0] if levels.ndim == 3 and (levels[..., :1] == levels).all() else levels
        if levels.ndim != 2 or levels.dtype.kind not in "bui":
            return []
        found.append({int(value) for value in np.unique(levels)})
    return found


def _name_channels(image: Path) -> list[str] | None:
    try:
        if image.suffix.lower() == ".npy":
            shape = read_levels(image).shape
            number = shape[2] if len(shape) == 3 else 1
        else:
            number = len(re.sub("[Aa]$", "", "".join(open_picture(image).image.getbands()).replace("P", "RGB")))
    except Exception:  # as above
        return None
    return (
        ["red", "green", "blue"]
        if number == 3
        else ["grey"]
        if number == 1
        else [f"channel_{n}" for n in range(number)]
    )
