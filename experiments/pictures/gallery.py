"""A gallery: one image under every corruption of a suite, each with its distance to the clean image."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import torch
from tqdm import tqdm

from datamodules.batch_resize import BatchResize
from datamodules.corruptions.base import SMALLEST_SIDE
from datamodules.corruptions.conditions import Corrupted
from datamodules.corruptions.modality import Missing
from datamodules.dataset import Sample
from datamodules.image_files import ImageFiles
from datamodules.reading.decoding import open_header
from datamodules.reading.image_reading import ImageReading, name_channels
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.pairs import Pair
from datamodules.transforms import Resize
from experiments.measuring.reference import psnr
from experiments.sweeping.suite import Suite
from safe_files.array_file import read_array, read_header
from user_error import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100
LARGEST, SMALLEST = 208, 104  # px of a tile's longer side: what is larger is shrunk, what is smaller enlarged
GUTTER, GAP, CAPTION, HEAD = 150, 8, 20, 26  # px: row labels, between tiles, below and above them


@dataclass(frozen=True)
class Tile:
    """An image under one condition."""

    name: str
    family: str
    severity: int
    image: np.ndarray | None  # (H, W, C) uint8; None where the corruption needs what is not given
    psnr: float | None  # dB to the clean image; infinite if nothing changed
    lacking: str = "mask"
    """What is not given where there is no image."""


def read_sample(
    image: Path, mask: Path | None = None, window: tuple[float, float] | None = None, depth: Path | None = None
) -> Sample:
    """An image of any number of channels and, if there is one, its mask, as a data set would read them.

    Args:
        image: image file or ``.npy`` array; colours are read as RGB, grey as one channel.
        mask: file of class ids, 255 where ignored.
        window: levels that become 0 and 255, for data of more than 8 bits.
        depth: ``.npy`` array of floats (H, W) in metres.

    Raises:
        UserError: a file is missing, cannot be read, or they are of different sizes.
    """
    for path in (image, mask, depth):
        if path is not None and not path.is_file():
            raise UserError(f"there is no file {str(path)!r}: check the path")
    channels, mode = _find_channels(image)
    reading = ImageReading(name_channels(channels), window, mode)
    if mask is None:
        sample = Sample(image=reading.read(image))
    else:
        values = {value: value for value in range(256)}
        sample = ImageFiles([Pair(image.stem, image, mask)], MaskReading(values, levels="stored"), reading)[0]
    return sample if depth is None else Sample(**sample, depth=_read_depth(depth, sample["image"].shape[:2]))


def _read_depth(path: Path, size: tuple[int, ...]) -> np.ndarray:
    try:
        found = read_array(path)
    except Exception as error:  # headers fail in many ways
        raise UserError(f"{path} is no array of depths ({error}): write a .npy file of floats, one a pixel") from error
    if found.dtype.kind != "f" or found.shape != size:
        raise UserError(
            f"{path} holds {found.dtype} of shape {found.shape} for an image of {size[0]} x {size[1]}: give floats in metres, "
            "one for each pixel"
        )
    return found.astype(np.float32)


def _find_channels(path: Path) -> tuple[int, str | None]:
    """Number of channels of a file and the Pillow mode to read it in; what cannot be read is left to `ImageReading`."""
    try:
        if path.suffix.lower() == ".npy":
            shape = read_header(path).shape
            return (shape[2] if len(shape) == 3 else 1), None
        with open_header(path) as file:
            grey = file.mode in ("1", "L", "LA", "La", "F") or file.mode.startswith("I")
            return (1, "L" if file.mode in ("LA", "La") else None) if grey else (3, "RGB")
    except Exception:
        return 3, None


def resize_sample(sample: Sample, size: tuple[int, int] | None) -> Sample:
    """The sample as a data set of that `size` (height, width) hands it over; its own size if `None`.

    Raises:
        UserError: the image is then too small to be corrupted.
    """
    height, width = sample["image"].shape[:2]
    masked: Sample = {**sample}
    masked.setdefault("mask", np.zeros((height, width), np.uint8))
    height, width = size or (height, width)
    if min(height, width) < SMALLEST_SIDE:
        raise UserError(
            f"the image would be met at {height} x {width} pixels: corruptions are defined from {SMALLEST_SIDE} x "
            f"{SMALLEST_SIDE} on, pass a larger --size"
        )
    resized: Any = Resize(size)(masked)
    return cast(Sample, {name: resized[name] for name in sample})


def make_tiles(sample: Sample, suite: Suite, image_id: str, size: tuple[int, int] | None = None) -> list[Tile]:
    """The sample's image under every corruption of `suite` and without every set of channels that it leaves out.

    Args:
        sample: image uint8 (H, W, C); its mask and depth, if it has them, for those that read them.
        suite: whose corruptions, severities, seed and order; the tiles are the pixels that a sweep meets.
        image_id: what the draws depend on.
        size: (height, width) that the data give the image, before or after; its own if `None`.

    Raises:
        UserError: the suite has no corruptions.
    """
    clean = resize_sample(sample, size)["image"]
    if not suite.corrupts_files(size is not None):
        sample, size = resize_sample(sample, size), None
    image, mask, resize = sample["image"], sample.get("mask"), BatchResize(size)
    images = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    masks = torch.zeros(1, *image.shape[:2], dtype=torch.int64) if mask is None else torch.from_numpy(mask).long()[None]
    missing = [] if suite.missing is None else suite.missing.make_conditions(_name_channels(image.shape[2]))
    corrupted: list[Corrupted | Missing] = [*suite.corrupted_conditions]
    corrupted += missing
    if not corrupted:
        raise UserError(f"the suite {suite.name!r} has no corruptions to draw: pass another --suite, see --list")
    given: Any = sample
    targets = {name: torch.from_numpy(given[name])[None] for name in suite.needs if name in sample}
    unmet = {one.name: "mask" for one in suite.corruptions if mask is None and one.reads_masks}
    unmet |= {one.name: name for one in suite.corruptions for name in one.needs if name not in targets}
    tiles = []
    for condition in tqdm(corrupted, desc="gallery", unit="tile"):
        shown = distance = None
        if condition.name not in unmet:
            drawn, _ = condition(images, masks, [image_id], suite.seed, targets)
            shown = resize.resize_images(drawn)[0].permute(1, 2, 0).numpy()
            distance = psnr(shown, clean)
        lacking = unmet.get(condition.name, "mask")
        tiles.append(Tile(condition.name, condition.family, condition.severity, shown, distance, lacking))
    return tiles


def _name_channels(channels: int) -> list[str]:
    """Names of the channels of a file, which states none."""
    return ["red", "green", "blue"] if channels == 3 else [f"channel {place}" for place in range(1, channels + 1)]


def as_tile(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 for the eye: the first three channels or the first one, at a tile's size."""
    colours = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
    longest = max(image.shape[:2])
    if longest > LARGEST:
        height, width = (max(1, round(side * LARGEST / longest)) for side in image.shape[:2])
        return cv2.resize(np.ascontiguousarray(colours), (width, height), interpolation=cv2.INTER_AREA)
    factor = max(1, -(-SMALLEST // longest))
    return colours.repeat(factor, axis=0).repeat(factor, axis=1)


class Layout:
    """Where the tiles stand, in pixels from the upper left corner; row 0 is the clean image, row 1 the first corruption.

    Args:
        tile: (height, width) of a tile.
        rows: number of corruptions.
        columns: number of severities.
        title: number of letters beside the clean image.
    """

    def __init__(self, tile: tuple[int, int], rows: int, columns: int, title: int = 0) -> None:
        self.tile = tile
        self.width = max(self.find_corner(0, columns)[1], self.find_corner(0, 1)[1] + 8 * title)
        self.height = self.find_corner(rows + 1, 0)[0] - GAP // 2

    def find_corner(self, row: int, column: int) -> tuple[int, int]:
        """(top, left) of a tile."""
        top = GAP + row * (self.tile[0] + CAPTION + GAP) + (HEAD if row else 0)
        return top, GUTTER + column * (max(self.tile[1], 64) + GAP)


def draw(tiles: Sequence[Tile], clean: np.ndarray, title: str, figure: "Figure | None" = None) -> "Figure":
    """One picture: a row for each corruption, a column for each severity, the PSNR below each tile.

    Tiles no larger than 208 px are drawn pixel for pixel at the figure's own resolution.

    Args:
        tiles: of `make_tiles`.
        clean: uint8 (H, W, C), drawn once above them.
        title: lines beside the clean image.
        figure: to draw on; a new one if `None`.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(tile.name for tile in tiles))
    severities = sorted({tile.severity for tile in tiles})
    first = as_tile(clean)
    layout = Layout((first.shape[0], first.shape[1]), len(names), len(severities), max(map(len, title.split("\n"))))
    figure = figure or Figure()
    figure.set_dpi(DPI)
    figure.set_size_inches(layout.width / DPI, layout.height / DPI)
    _draw_label(figure, layout, 0, "clean", "")
    for name, family in {tile.name: tile.family for tile in tiles}.items():
        _draw_label(figure, layout, 1 + names.index(name), name, family)
    _draw_picture(figure, layout, 0, 0, first)
    _draw_text(figure, layout, layout.find_corner(0, 1), title, fontsize=10, va="top", linespacing=1.5)
    for column, severity in enumerate(severities):
        top, left = layout.find_corner(1, column)
        _draw_text(figure, layout, (top - HEAD + 6, left), f"severity {severity}", fontsize=10, va="top")
    for tile in tiles:
        row, column = 1 + names.index(tile.name), severities.index(tile.severity)
        top, left = layout.find_corner(row, column)
        if tile.image is None:
            _draw_text(
                figure,
                layout,
                (top + layout.tile[0] // 2, left + 6),
                f"needs --{tile.lacking}",
                fontsize=9,
                color="0.4",
            )
            continue
        _draw_picture(figure, layout, row, column, as_tile(tile.image))
        _draw_text(figure, layout, (top + layout.tile[0] + 4, left), _format_psnr(tile.psnr), fontsize=8.5, va="top")
    return figure


def _format_psnr(value: float | None) -> str:
    return "unchanged" if value is None or value == float("inf") else f"{value:.1f} dB"


def _draw_picture(figure: "Figure", layout: Layout, row: int, column: int, picture: np.ndarray) -> None:
    (height, width), (top, left) = layout.tile, layout.find_corner(row, column)
    bottom = layout.height - top - height
    box = (left / layout.width, bottom / layout.height, width / layout.width, height / layout.height)
    axes = figure.add_axes(box)
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    axes.axis("off")


def _draw_label(figure: "Figure", layout: Layout, row: int, name: str, family: str) -> None:
    top = layout.find_corner(row, 0)[0]
    lines = textwrap.wrap(name.replace("_", " "), 15)
    _draw_text(figure, layout, (top + 2, 10), "\n".join(lines), fontsize=11, va="top")
    _draw_text(figure, layout, (top + 4 + 19 * len(lines), 10), family, fontsize=9, va="top", color="0.45")


def _draw_text(figure: "Figure", layout: Layout, corner: tuple[int, int], text: str, **style: object) -> None:
    top, left = corner
    figure.text(left / layout.width, 1 - top / layout.height, text, ha="left", **style)  # type: ignore[arg-type]
