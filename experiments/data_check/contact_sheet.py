"""A picture of a data set: some images of each split, and beside each one its mask over it, with the colours of the classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from datamodules.base import SegmentationDataModule
from datamodules.dataset import IGNORED
from experiments.data_check.scan import ScannedImage, ScannedSplit, read_sample
from experiments.pictures.overlays import find_palette, overlay, save

WIDTH, HEIGHT = 220, 200
"""Most pixels of a picture; smaller ones are enlarged by a whole number."""

GAP, LINE, COLUMNS = 10, 22, 3
OPACITY = 0.6
INK, FAINT, PAPER, IGNORED_INK = (20, 20, 20), (110, 110, 110), (255, 255, 255), (255, 0, 255)


def choose_images(split: ScannedSplit, number: int) -> list[int]:
    """The numbers of images that show every class, rare ones first, filled up with ones evenly apart."""
    seen = split.images
    readable = [place for place, one in enumerate(seen) if not one.error]
    total = sum((_get_pixels(seen[place])[:-1] for place in readable), np.zeros(1, np.int64))
    chosen: list[int] = []
    for number_of_class in np.argsort(total):
        if len(chosen) == number or not total[number_of_class]:
            continue
        if not any(_get_pixels(seen[place])[number_of_class] for place in chosen):
            chosen.append(max(readable, key=lambda place: int(_get_pixels(seen[place])[number_of_class])))
    rest = [place for place in readable if place not in chosen]
    missing = min(number - len(chosen), len(rest))
    chosen += [rest[(2 * step + 1) * len(rest) // (2 * missing)] for step in range(missing)]
    return sorted(chosen)


def draw(data: SegmentationDataModule, splits: Mapping[str, ScannedSplit], number: int) -> Image.Image:
    """The sheet.

    Args:
        data: whose classes and colours.
        splits: as scanned.
        number: images of each split.
    """
    palette = find_palette(data.palette, data.num_classes)
    panels = {
        name: _draw_panels(split, choose_images(split, number), palette)
        for name, split in splits.items()
        if split.readable
    }
    tile = WIDTH * 2 + 4
    width = GAP + COLUMNS * (tile + GAP)
    legend = _place_legend(data.classes, width)
    rows = {name: -(-len(found) // COLUMNS) for name, found in panels.items()}
    top = GAP + (legend[-1][1] if legend else 0) + LINE + GAP
    height = top + sum(LINE + GAP + number * (HEIGHT + LINE + GAP) for number in rows.values())
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    _draw_legend(pen, legend, [*data.classes, "ignored"], [*map(tuple, palette.tolist()), IGNORED_INK])
    for name, found in panels.items():
        split = splits[name]
        pen.text((GAP, top), f"{name}: {len(split.images)} images", INK, _load_font(16))
        top += LINE + GAP
        for place, (title, picture) in enumerate(found):
            left, upper = GAP + place % COLUMNS * (tile + GAP), top + place // COLUMNS * (HEIGHT + LINE + GAP)
            pen.text((left, upper), title, FAINT, _load_font(12))
            sheet.paste(picture, (left, upper + LINE - 4))
        top += rows[name] * (HEIGHT + LINE + GAP)
    return sheet


def write(data: SegmentationDataModule, splits: Mapping[str, ScannedSplit], number: int, path: Path) -> None:
    """Draw the sheet into a PNG, whole or not at all."""
    save(draw(data, splits, number), path)


def _draw_panels(split: ScannedSplit, places: Sequence[int], palette: np.ndarray) -> list[tuple[str, Image.Image]]:
    """A title, and the image with its overlay to the right, for each of some images."""
    assert split.dataset is not None
    found = []
    for place in places:
        sample, seen = read_sample(split.dataset, place), split.images[place]
        image, mask = sample["image"], sample["mask"]
        mixed = overlay(_as_colours(image), mask, palette, OPACITY)
        mixed[mask == IGNORED] = _hatch(mask.shape, mixed)[mask == IGNORED]
        pair = Image.new("RGB", (2 * WIDTH + 4, HEIGHT), (236, 236, 236))
        for left, picture in ((0, _as_colours(image)), (WIDTH + 4, mixed)):
            fitted = _fit(picture)
            pair.paste(fitted, (left + (WIDTH - fitted.width) // 2, (HEIGHT - fitted.height) // 2))
        name = seen.id if len(seen.id) <= 40 else f"...{seen.id[-37:]}"
        found.append((f"{name}  {seen.size[0]} x {seen.size[1]}", pair))
    return found


def _as_colours(image: np.ndarray) -> np.ndarray:
    """The first three channels, or the first one, as (H, W, 3)."""
    return image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)


def _hatch(shape: tuple[int, ...], below: np.ndarray) -> np.ndarray:
    """Lines over what is ignored."""
    rows, columns = np.indices(shape)
    period = max(4, min(shape) // 24)
    return np.where(
        ((rows + columns) % period < max(1, period // 4))[..., None], np.array(IGNORED_INK, np.uint8), below
    )


def _fit(picture: np.ndarray) -> Image.Image:
    """A picture at a tile's size: shrunk by areas, or enlarged by a whole number so that pixels stay pixels."""
    height, width = picture.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(picture))
    scale = min(WIDTH / width, HEIGHT / height)
    if scale >= 1:
        return image.resize((width * int(scale), height * int(scale)), Image.Resampling.NEAREST)
    return image.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BOX)


def _load_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _place_legend(classes: Sequence[str], width: int) -> list[tuple[int, int]]:
    """Where the entries of the legend stand, in lines as wide as the sheet."""
    places, left, top = [], GAP, GAP
    for name in [*classes, "ignored"]:
        needed = 24 + int(_load_font(14).getlength(name)) + 16
        if left + needed > width and left > GAP:
            left, top = GAP, top + LINE
        places.append((left, top))
        left += needed
    return places


def _draw_legend(
    pen: ImageDraw.ImageDraw,
    places: Sequence[tuple[int, int]],
    names: Sequence[str],
    colours: Sequence[tuple[int, ...]],
) -> None:
    for (left, top), name, colour in zip(places, names, colours, strict=True):
        pen.rectangle((left, top + 1, left + 16, top + 15), colour, FAINT)
        pen.text((left + 22, top), name, INK, _load_font(14))


def _get_pixels(seen: ScannedImage) -> np.ndarray:
    assert seen.pixels is not None
    return seen.pixels
