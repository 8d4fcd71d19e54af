"""nnU-Net's raw format: ``dataset.json``, the files of cases, and the splits of its cross-validation.

Isensee et al., nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation, Nature Methods
2021; the format is that of version 2 (``documentation/dataset_format.md`` in its repository).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.dataset import IGNORED
from datamodules.reading import nifti
from datamodules.reading.found_files import leads_out
from datamodules.reading.image_reading import COLOURS
from datamodules.reading.pairs import Case
from plain_values import show
from safe_files.json_file import read_json, read_json_object
from user_error import UserError

PICTURES = (".png", ".bmp", ".tif", ".tiff")
"""Endings of pictures, by nnU-Net's own reader of them; lossy formats are none of its."""

REMEDY = "write it as nnU-Net's documentation/dataset_format.md says"
IGNORE = "ignore"
FOLDS, SEED = 5, 12345
"""Number of folds, and the seed by which nnU-Net draws them where there is no file of splits."""


@dataclass(frozen=True)
class DatasetJson:
    """What ``dataset.json`` says.

    Args:
        path: of the file.
        labels: name of each value of the labels, ascending.
        ignored: value of voxels without a label; `None` where there is none.
        channels: names, which also say how nnU-Net normalises: "CT" by all data, others by each case.
        ending: of the names of all files, such as ``.nii.gz``.
        listed: files of each case where they are listed, relative to the folder.
    """

    path: Path
    labels: Mapping[int, str]
    ignored: int | None
    channels: tuple[str, ...]
    ending: str
    listed: Mapping[str, Any] | None

    @property
    def of_volumes(self) -> bool:
        """Whether files are volumes."""
        return self.ending in nifti.SUFFIXES

    @property
    def values(self) -> dict[int, int]:
        """Class id of each value of the labels, and `IGNORED`."""
        ids = {value: number for number, value in enumerate(self.labels)}
        return ids if self.ignored is None else {**ids, self.ignored: IGNORED}


def read_dataset_json(path: Path, labels: Mapping[str, Any] | None = None) -> DatasetJson:
    """Read a ``dataset.json``.

    Args:
        path: of the file.
        labels: in place of those in the file, as ``{name: value}``.

    Raises:
        UserError: it is missing, malformed, of the Medical Segmentation Decathlon, or has regions, which overlap.
    """
    content = read_json_object(path, REMEDY)
    if "channel_names" not in content:
        older = "modality" in content or "training" in content
        convert = "convert the data with nnUNetv2_convert_MSD_dataset or nnUNetv2_convert_old_nnUNet_dataset"
        raise UserError(f"{path} has no key 'channel_names': {convert if older else REMEDY}")
    ending = content.get("file_ending")
    if not isinstance(ending, str) or not re.fullmatch(r"(\.[A-Za-z0-9]{1,8}){1,2}", ending):
        raise UserError(f"{path} has file_ending {show(ending)}: write the end of a name, such as .nii.gz or .png")
    if ending not in (*nifti.SUFFIXES, *PICTURES):
        raise UserError(
            f"{path} says that the files end in {ending}, which is not read: convert them to one of "
            f"{', '.join((*nifti.SUFFIXES, *PICTURES))}"
        )
    named, ignored = _read_labels(path, content.get("labels") if labels is None else labels)
    listed = content.get("dataset")
    if listed is not None and not isinstance(listed, dict):
        raise UserError(f"{path} has a malformed key 'dataset': {REMEDY}")
    return DatasetJson(path, named, ignored, _read_channels(path, content["channel_names"]), ending, listed)


def _read_labels(path: Path, given: Any) -> tuple[dict[int, str], int | None]:
    if not isinstance(given, dict) or not given:
        raise UserError(f"{path} has labels {show(given)}: write {{name: value}}, such as {{background: 0, tumour: 1}}")
    values: dict[str, int] = {}
    for name, value in given.items():
        one = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(one, list):
            raise UserError(
                f"{path} trains by regions ({show(name)} is made of the labels {show(one)}), which overlap, where a pixel is of "
                "one class: name the labels themselves by --data.init_args.labels '{background: 0, edema: 1, ...}'"
            )
        if not isinstance(one, int) or isinstance(one, bool) or not 0 <= one <= 65535 or not str(name).strip():
            raise UserError(
                f"{path} has the label {show(name)} of the value {show(value)}: write {{name: whole number}}"
            )
        values[str(name)] = one
    if len(set(values.values())) < len(values):
        raise UserError(f"{path} has labels {show(given)}, two of one value: give each its own")
    ignored = values.pop(IGNORE, None)
    return {value: name for name, value in sorted(values.items(), key=lambda item: item[1])}, ignored


def _read_channels(path: Path, given: Any) -> tuple[str, ...]:
    keys = [str(key) for key in given] if isinstance(given, dict) else []
    if not keys or {int(key) if key.isdecimal() else -1 for key in keys} != set(range(len(keys))):
        raise UserError(
            f"{path} has channel_names {show(given)}: write one for each number from 0 on, such as {{0: CT}}"
        )
    names = [str(given[key]) for key in sorted(given, key=int)]
    return tuple(name if names.count(name) == 1 else f"{name} {place}" for place, name in enumerate(names))


def list_cases(described: DatasetJson, images: str, labels: str) -> list[Case]:
    """The cases whose images lie in one folder and whose labels in another, sorted by id.

    Three channels of a picture may be one file, ``CASE_0000``, of red, green and blue.

    Args:
        described: of the data set.
        images: name of the folder of images, such as ``imagesTr``.
        labels: likewise, of labels.

    Raises:
        UserError: a folder or a file is missing, or one is listed that lies outside.
    """
    root = described.path.parent
    if described.listed is not None:
        return [_read_listed(described, name, entry) for name, entry in sorted(described.listed.items())]
    files, masks = (_list_files(root / folder, described.ending) for folder in (images, labels))
    found: dict[str, dict[str, Path]] = {}
    for name, path in files.items():
        match = re.fullmatch(r"(.+)_(\d{4})", name)
        if match is None:
            raise UserError(
                f"{path} is not named as CASE_0000{described.ending}: rename it, or move it out of the folder"
            )
        found.setdefault(match[1], {})[match[2]] = path
    wanted = [f"{place:04d}" for place in range(len(described.channels))]
    for name, channels in found.items():
        one = len(wanted) == len(COLOURS) and not described.of_volumes and list(channels) == wanted[:1]
        if not one and set(channels) != set(wanted):
            raise UserError(
                f"the case {name!r} in {root / images} has the channels {', '.join(sorted(channels))}, where {described.path} "
                f"names {', '.join(wanted)}: complete or correct it"
            )
    if alone := sorted(found.keys() ^ masks.keys()):
        what = "no label" if alone[0] in found else "a label and no image"
        raise UserError(
            f"{len(alone)} cases in {root} are incomplete, the first, {alone[0]!r}, has {what}: complete or remove it"
        )
    return [Case(name, tuple(found[name][key] for key in sorted(found[name])), masks[name]) for name in sorted(found)]


def _list_files(folder: Path, ending: str) -> dict[str, Path]:
    """The files with an ending, by their names without it."""
    if not folder.is_dir():
        raise UserError(f"the folder {folder} does not exist: {REMEDY}")
    found = sorted(path for path in folder.iterdir() if path.name.endswith(ending) and not path.name.startswith("."))
    for path in found:
        if not path.is_file():
            raise UserError(f"{path} is no file, or a link that leads nowhere: mend or remove it")
    return {path.name.removesuffix(ending): path for path in found}


def _read_listed(described: DatasetJson, name: str, entry: Any) -> Case:
    """A case that `dataset` of ``dataset.json`` lists."""
    images, label = (entry.get("images"), entry.get("label")) if isinstance(entry, dict) else (None, None)
    if not isinstance(images, list) or not all(isinstance(one, str) for one in (*images, label)):
        raise UserError(f"{described.path} lists the case {show(name)} as {show(entry)}: {REMEDY}")
    if len(images) != len(described.channels):
        raise UserError(
            f"{described.path} lists {len(images)} images of the case {show(name)}, and names {len(described.channels)} "
            "channels: correct it"
        )
    for one in (*images, label):
        if leads_out(one):
            raise UserError(f"{described.path} lists {show(one)}, which leads out of the folder: list files inside it")
        if not (described.path.parent / one).is_file():
            raise UserError(f"{described.path} lists {show(one)}, which does not exist: complete the data set")
    return Case(name, tuple(described.path.parent / one for one in images), described.path.parent / str(label))


def read_fold(path: Path, fold: int, cases: Sequence[str]) -> dict[str, list[str]]:
    """The cases of a fold in a ``splits_final.json``.

    Args:
        path: of the file.
        fold: number of the fold.
        cases: that there are.

    Raises:
        UserError: it is malformed, has no such fold, or names a case that is not there.
    """
    folds = read_json(path, REMEDY)
    formed = isinstance(folds, list) and all(
        isinstance(one, dict) and all(isinstance(one.get(key), list) for key in ("train", "val")) for one in folds
    )
    if not formed:
        raise UserError(f"{path} is no list of folds with 'train' and 'val': write it as nnU-Net does")
    _require_fold(fold, len(folds), f"{path} has")
    found = {key: [str(name) for name in folds[fold][key]] for key in ("train", "val")}
    if absent := sorted({*found["train"], *found["val"]} - set(cases)):
        raise UserError(
            f"{path} names {len(absent)} cases that are not there, the first is {absent[0]!r}: complete the data set"
        )
    if shared := sorted(set(found["train"]) & set(found["val"])):
        raise UserError(f"{path} has {shared[0]!r} in train and in val of the fold {fold}: correct it")
    return found


def draw_fold(fold: int, cases: Sequence[str]) -> dict[str, list[str]]:
    """The cases of a fold as nnU-Net draws them by default: five folds of the sorted cases, shuffled with its own seed.

    Raises:
        UserError: there is no such fold, or there are fewer cases than folds.
    """
    _require_fold(fold, FOLDS, "nnU-Net's cross-validation has")
    if len(cases) < FOLDS:
        raise UserError(
            f"{len(cases)} cases cannot be divided into {FOLDS} folds: leave `fold` out, or write splits_final.json"
        )
    ordered = sorted(cases)
    places = np.random.RandomState(SEED).permutation(len(ordered))
    sizes = [len(ordered) // FOLDS + (place < len(ordered) % FOLDS) for place in range(FOLDS)]
    chosen = set(places[sum(sizes[:fold]) : sum(sizes[: fold + 1])].tolist())
    members: dict[str, list[str]] = {"train": [], "val": []}
    for place, name in enumerate(ordered):
        members["val" if place in chosen else "train"].append(name)
    return members


def _require_fold(fold: int, number: int, says: str) -> None:
    if not 0 <= fold < number:
        raise UserError(f"there is no fold {fold}: {says} the folds 0 to {number - 1}")
