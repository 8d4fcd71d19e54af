"""A data set of image files and mask files: finding the pairs, decoding them, and saying what is wrong with one."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from datamodules.dataset import IGNORED, Sample, SegmentationDataset
from safe_files.array_file import read_array
from user_error import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".npy")
_UNKNOWN = -1
_LARGEST_MASK_VALUE = 65535


class Pair(NamedTuple):
    """An image, its mask, and the id that names both."""

    id: str
    image: Path
    mask: Path


def _by_id(folder: Path) -> dict[str, Path]:
    """The image files below `folder` by id: the relative path without its extension."""
    if not folder.is_dir():
        raise UserError(f"the folder {folder} does not exist: create it, or correct the root of the data")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if hidden or path.suffix.lower() not in EXTENSIONS or not path.is_file():
            continue
        name = inside.with_suffix("").as_posix()
        if name in found:
            raise UserError(f"{found[name]} and {path} have the same name: remove or rename one of them")
        found[name] = path
    return found


def _refuse_missing(missing: Sequence[str], what: str, folder: Path, remedy: str) -> None:
    if missing:
        raise UserError(f"{len(missing)} {what} in {folder}, the first is {missing[0]!r}: {remedy}")


def pair(images: Path, masks: Path, names: Collection[str] | None = None) -> list[Pair]:
    """The pairs of two folders that hold files of the same names, sorted by id.

    Args:
        images: folder of the images; those in nested folders have ids such as ``berlin/0001``.
        masks: folder of the masks.
        names: the ids that are wanted; all if `None`.

    Raises:
        UserError: a folder is missing, two files have the same name, an image has no mask or a mask no image, or a
            wanted id has no image.
    """
    images_by_id, masks_by_id = _by_id(images), _by_id(masks)
    kinds = ", ".join(extension[1:] for extension in EXTENSIONS)
    if names is None:
        orphans = sorted(masks_by_id.keys() - images_by_id.keys())
        _refuse_missing(orphans, "masks have no image", images, f"add the image ({kinds}) or remove the mask")
        wanted = sorted(images_by_id)
    else:
        wanted = sorted(names)
        absent = [name for name in wanted if name not in images_by_id]
        _refuse_missing(absent, "listed images are missing", images, f"add the file ({kinds}) or correct the list")
    bare = [name for name in wanted if name not in masks_by_id]
    _refuse_missing(bare, "images have no mask", masks, f"add the mask ({kinds}) or remove the image")
    return [Pair(name, images_by_id[name], masks_by_id[name]) for name in wanted]


def present(pairs: Sequence[Pair]) -> list[Pair]:
    """`pairs` sorted by id, once all of their files are known to exist.

    Raises:
        UserError: a file does not exist.
    """
    missing = [path for one in pairs for path in (one.image, one.mask) if not path.is_file()]
    if missing:
        raise UserError(f"{len(missing)} listed files are missing, the first is {missing[0]}: complete the data set")
    return sorted(pairs)


def _read(path: Path) -> np.ndarray:
    """An ``.npy`` array as it is."""
    return read_array(path)


def _open(path: Path) -> Image.Image:
    """A decoded Pillow image; unlike OpenCV, Pillow refuses files that are cut off."""
    image = Image.open(path)
    if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
        raise ValueError(f"{getattr(image, 'n_frames', 1)} pages where one is expected")
    rawmodes = str([tile[3] for tile in image.tile])
    if ";16" in rawmodes and not image.mode.startswith("I"):
        raise ValueError("16-bit colour, which would be cut to 8 bits: store it as .npy")
    image.load()
    return image


def _colours(image: Image.Image, mode: str | None) -> np.ndarray:
    """The levels of `image` in `mode`, or in its own colours, of which palettes and print or video colours are RGB."""
    if mode is None and image.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV"):
        mode = "RGB"
    if mode is None and image.mode == "1":
        mode = "L"
    return np.asarray(image if mode is None else image.convert(mode))


def read_image(
    path: Path, channels: int, window: tuple[float, float] | None = None, mode: str | None = None
) -> np.ndarray:
    """A decoded image file, uint8 (H, W, C); the arguments are those of `ImageFiles`.

    Raises:
        UserError: the file cannot be read, or is not what was described.
    """
    try:
        image = _read(path) if path.suffix.lower() == ".npy" else _colours(_open(path), mode)
    except Exception as error:  # decoders raise many kinds, and all mean the same
        raise UserError(f"the image {path} cannot be read ({error}): replace or remove it") from error
    image = image[..., None] if image.ndim == 2 else image
    if image.ndim != 3 or image.shape[2] != channels:
        have = f"{image.shape[2]} channels" if image.ndim == 3 else f"the shape {image.shape}"
        raise UserError(
            f"the image {path} has {have}, but the data are described with {channels}: "
            "convert it, or correct `channels` (arrays are height x width x channels)"
        )
    return _windowed(image, path, window)


def is_window(given: object) -> bool:
    """Whether these are two finite levels, the low one first."""
    return (
        isinstance(given, list | tuple)
        and len(given) == 2
        and all(isinstance(level, int | float) and math.isfinite(level) for level in given)
        and given[0] < given[1]
    )


def _windowed(image: np.ndarray, path: Path, window: tuple[float, float] | None) -> np.ndarray:
    if image.dtype == np.uint8 and window is None:
        return image if image.flags.writeable and image.flags.owndata else np.array(image)
    if window is None or image.dtype.kind not in "uif":
        raise UserError(
            f"the image {path} has levels of type {image.dtype}, not 8 bit: give the data a `window`, "
            "the two levels that become 0 and 255 (in a folder's dataset.yaml: window: [low, high])"
        )
    if not np.isfinite(image).all():
        raise UserError(f"the image {path} holds levels that are not finite numbers: fill them in beforehand")
    (low, high), found = window, np.empty(image.shape, np.uint8)
    for row, levels in enumerate(image):  # in doubles, a large image would be eight times its size
        found[row] = np.clip(np.rint((levels.astype(np.float64) - low) * (255 / (high - low))), 0, 255)
    return found


class ImageFiles(SegmentationDataset):
    """Samples decoded from files: PNG, JPEG, BMP, TIFF, or ``.npy`` arrays of any number of channels.

    Args:
        pairs: the files.
        mask_values: what each value in a mask file means: a class id, or `IGNORED`.
        channels: number of channels of every image.
        window: the levels (low, high) that become 0 and 255, linearly; needed for data of more than 8 bits.
        mode: Pillow mode that images are converted to, for data sets that mix several.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        mask_values: Mapping[int, int],
        channels: int = 3,
        window: tuple[float, float] | None = None,
        mode: str | None = None,
    ) -> None:
        self.pairs = list(pairs)
        self.ids = [one.id for one in self.pairs]
        self.mask_values = dict(mask_values)
        self.channels = channels
        self.window = window
        self.mode = mode
        self._class_of = np.full(_LARGEST_MASK_VALUE + 1, _UNKNOWN, np.int16)
        for value, meaning in self.mask_values.items():
            self._class_of[value] = meaning

    def __getitem__(self, index: int) -> Sample:
        """Decode sample `index`: image uint8 (H, W, C), mask uint8 (H, W).

        Raises:
            UserError: a file cannot be read, or the image or the mask is not what was described.
        """
        one = self.pairs[index]
        image, mask = read_image(one.image, self.channels, self.window, self.mode), self._mask(one.mask)
        if image.shape[:2] != mask.shape:
            raise UserError(
                f"{one.image} is {image.shape[0]} x {image.shape[1]} pixels (height x width) and its mask {one.mask} "
                f"is {mask.shape[0]} x {mask.shape[1]}: bring them to the same size"
            )
        return Sample(image=image, mask=mask)

    def _mask(self, path: Path) -> np.ndarray:
        """The mask as uint8 (H, W), in class ids and `IGNORED`."""
        try:
            mask = _read(path) if path.suffix.lower() == ".npy" else np.asarray(_open(path))
        except Exception as error:
            raise UserError(f"the mask {path} cannot be read ({error}): replace or remove it") from error
        if mask.ndim != 2 or mask.dtype.kind not in "bui":
            raise UserError(
                f"the mask {path} has the shape {mask.shape} and the type {mask.dtype}: "
                "a mask has one channel, and its values are the ids of classes"
            )
        values = mask.astype(np.int64)
        classes = self._class_of[np.clip(values, 0, _LARGEST_MASK_VALUE)]
        unknown = (classes == _UNKNOWN) | (values < 0) | (values > _LARGEST_MASK_VALUE)
        if unknown.any():
            raise UserError(
                f"the mask {path} holds the value {values[unknown][0]}, which is no class: allowed are "
                f"{self._allowed()}; correct the mask, or describe the value as a class or as ignored"
            )
        return classes.astype(np.uint8)

    def _allowed(self) -> str:
        classes = sorted(value for value, meaning in self.mask_values.items() if meaning != IGNORED)
        ignored = sorted(value for value, meaning in self.mask_values.items() if meaning == IGNORED)
        return f"the classes {classes} and, as ignored, {ignored or 'nothing'}"
