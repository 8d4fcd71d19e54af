"""An image of a visitor: looked at by its header first, then read like those of the training."""

import math
from pathlib import Path

import numpy as np
from typing_extensions import override

from datamodules.base import SegmentationDataModule
from datamodules.corruptions.base import SMALLEST_SIDE
from datamodules.dataset import IGNORED, Sample, SegmentationDataset
from datamodules.reading.decoding import open_header
from datamodules.reading.found_files import SUFFIXES, as_id
from datamodules.reading.image_reading import NotAsDescribedError
from safe_files.array_file import read_header
from user_error import UserError

MOST_BYTES = 64 * 2**20
"""Size of the largest file that is taken."""

MOST_PIXELS, MOST_UNRESIZED = 2**24, 2**22
"""Pixels of the largest image that is decoded, and of the largest that a network is shown as it is."""


class Upload(SegmentationDataset):
    """A data set of one image without a mask.

    Args:
        name: its id, which decides what corruptions draw.
        image: uint8 (H, W, C).
    """

    def __init__(self, name: str, image: np.ndarray) -> None:
        self.ids = (name,)
        self.image = image

    @override
    def __getitem__(self, index: int) -> Sample:
        return {"image": self.image, "mask": np.full(self.image.shape[:2], IGNORED, np.uint8)}


def read_upload(path: Path, data: SegmentationDataModule) -> Upload:
    """Read an uploaded file as the data are read; its id is its name without the suffix.

    Args:
        path: of the file.
        data: whose images have the same form.

    Raises:
        UserError: it is no image, too large, too small, or of another form; the sentence names the file without its folder.
    """
    try:
        _require_fit(path, data)
        image = data.reading.read(path)
    except UserError as error:
        raise UserError(_describe(error, path, data)) from error
    return Upload(as_id(path.stem), image)


def _require_fit(path: Path, data: SegmentationDataModule) -> None:
    """Refuse by the header, before any pixel is decoded; what has no header is told when it is read."""
    if path.suffix.lower() not in SUFFIXES:
        kinds = ", ".join(suffix[1:] for suffix in SUFFIXES)
        raise UserError(f"{path.name!r} is of a kind that is not read: convert it to one of {kinds}")
    if not path.is_file():
        raise UserError(f"{path.name!r} is no longer here, since uploads are deleted after a while: drop it again")
    if path.stat().st_size > MOST_BYTES:
        raise UserError(f"{path.name!r} has more than {MOST_BYTES // 2**20} MB: shrink it, or call `predict` for it")
    try:
        sides = _read_sides(path)
    except Exception:  # decoders raise errors of many classes
        return
    most = MOST_UNRESIZED if data.size is None else MOST_PIXELS
    shown = " x ".join(map(str, sides))
    if math.prod(sides) > most:
        raise UserError(f"{path.name!r} has {shown} pixels, and the page takes {most} at most: shrink it")
    if min(sides) < SMALLEST_SIDE:
        raise UserError(f"{path.name!r} has {shown} pixels, and corruptions are defined from {SMALLEST_SIDE} a side on")


def _read_sides(path: Path) -> tuple[int, ...]:
    """Width and height, or height and width, as the header says."""
    if path.suffix.lower() == ".npy":
        return read_header(path).shape[:2]
    with open_header(path) as picture:
        return picture.size


def _describe(error: UserError, path: Path, data: SegmentationDataModule) -> str:
    """The sentence for a visitor, who knows neither the folder of uploads nor the files that describe data."""
    sentence = str(error)
    if isinstance(error.__cause__, NotAsDescribedError):
        problem = str(error.__cause__).partition(": ")[0]
        sentence = f"{path.name!r} {problem}: the networks take {data.reading.describe()}, bring it to that"
    return sentence.replace(str(path), path.name)
