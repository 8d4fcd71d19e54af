"""Interpretation of mask files by levels, palette indices or colours; an ambiguous mask is refused."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from PIL import Image

from datamodules.dataset import IGNORED
from datamodules.reading.decoding import Orientation, open_picture, read_levels
from datamodules.reading.embedded import ImageSource
from user_error import UserError

LOWEST, HIGHEST = -32768, 65535
"""Range of the values in masks."""

UNKNOWN = -1
Colour = tuple[int, int, int]
Decoded = TypeVar("Decoded")
NEAREST_CLASSES = 16
"""Distance of class levels from which on the nearest class is reliable in a JPEG of usual quality."""

MaskLevels = Literal["auto", "stored", "shown"]
"""Whether the values of a mask of few bits, or with a palette, are the numbers in the file ("stored") or the grey levels
that a viewer shows ("shown"); "auto" decides by the declared classes, and refuses a mask for which both are possible."""


class _AmbiguousError(ValueError):
    """An intact mask whose values are unknown or ambiguous; the message contains the remedy."""


@dataclass(frozen=True)
class MaskReading:
    """Settings for reading masks.

    Args:
        values: class id, or `IGNORED`, of each value in a file.
        colours: class id, or `IGNORED`, of each RGB colour, for coloured masks.
        levels: see `MaskLevels`.
        lossy: whether a mask in a lossy format, such as JPEG, is read by the nearest value.
        orientation: see `ImageReading`.
    """

    values: Mapping[int, int]
    colours: Mapping[Colour, int] = field(default_factory=dict)
    levels: MaskLevels = "auto"
    lossy: bool = False
    orientation: Orientation = "tag"

    def read(self, path: ImageSource) -> np.ndarray:
        """Read a mask as uint8 (H, W) of class ids and `IGNORED`.

        Raises:
            UserError: it cannot be read, or has unknown or ambiguous values.
        """
        return self.read_with_palette(path)[0]

    def read_with_palette(self, path: ImageSource) -> tuple[np.ndarray, dict[int, Colour]]:
        """Read a mask, with the colours of its palette indices where it was read by these; none otherwise.

        Raises:
            UserError: see `read`.
        """
        if isinstance(path, Path) and path.suffix.lower() == ".npy":
            return self.convert(lambda: read_levels(path), str(path)), {}
        return _tell(lambda: self._decode_picture(path), str(path))

    def convert(self, decode: Callable[[], np.ndarray], name: str) -> np.ndarray:
        """Convert what a decoder returns, values (H, W) or colours (H, W, 3), to uint8 (H, W) of class ids and `IGNORED`.

        Args:
            decode: reads the mask.
            name: of the mask, for the message.

        Raises:
            UserError: it cannot be read, or has unknown values.
        """
        return _tell(lambda: self._decode_array(decode()), name)

    def _decode_picture(self, path: ImageSource) -> tuple[np.ndarray, dict[int, Colour]]:
        picture, kind, rawmodes = open_picture(path, self.orientation)
        if is_lossy(kind, path):
            return self._decode_lossy(_remove_alpha(picture)), {}
        if picture.mode == "P":
            return self._decode_palette(picture)
        if picture.mode == "1":
            return self._decode_few_bits(np.asarray(picture).astype(np.uint8), 1), {}
        if bits := re.search(r"'L;([24])[IR]*'", rawmodes):
            depth = int(bits[1])
            return self._decode_few_bits(np.asarray(picture) // (255 // (2**depth - 1)), depth), {}
        mask = _remove_alpha(picture)
        if mask.ndim == 3 and self.colours and UNKNOWN not in self._look_up_colours(list(_find_colours(mask))):
            return self._decode_colours(mask), {}
        return self._decode_array(mask), {}

    def _decode_array(self, mask: np.ndarray) -> np.ndarray:
        """Decode an array of one channel, or of RGB colours."""
        mask = mask[..., 0] if mask.ndim == 3 and mask.shape[2] == 1 else mask
        if mask.ndim == 3 and mask.shape[2] == 3 and mask.dtype == np.uint8:
            if (mask[..., :1] != mask).any():
                return self._decode_colours(mask)
            mask = mask[..., 0]
        if mask.ndim != 2 or mask.dtype.kind not in "buif":
            raise _AmbiguousError(
                f"has the shape {mask.shape} and the type {mask.dtype}: a mask has one channel, and its values are the ids "
                "of classes"
            )
        if mask.dtype.kind == "f":
            mask = _require_integers(mask)
        used = _find_values(mask)
        meanings = self._look_up_values(used)
        if UNKNOWN in meanings:
            raise self._make_unknown_error(f"the value {used[meanings.index(UNKNOWN)]}")
        return _look_up(mask, used, meanings)

    def _decode_lossy(self, mask: np.ndarray) -> np.ndarray:
        """Decode levels from a lossy format."""
        mask = mask[..., 0] if mask.ndim == 3 and (mask[..., :1] == mask).all() else mask
        known = np.array(sorted(self.values))
        apart = len(known) < 2 or np.diff(known).min() >= NEAREST_CLASSES
        if mask.ndim == 2 and apart and self.lossy:
            between = (known[1:] + known[:-1] + 1) // 2
            return np.array([self.values[int(value)] for value in known], np.uint8)[np.digitize(mask, between)]
        if mask.ndim == 2 and apart and np.isin(mask, known).all():
            return self._decode_array(mask)
        if not apart:
            raise _AmbiguousError(
                "is of a format that changes levels, such as JPEG, by more than its classes are apart: name the classes by the "
                "levels that were meant, such as 0 and 255, and add `lossy_masks: nearest` to dataset.yaml; or store the masks "
                "anew as PNG, from what the JPEG was made of"
            )
        raise _AmbiguousError(
            "is of a format that changes levels, such as JPEG, and holds others than those of the classes: add "
            "`lossy_masks: nearest` to dataset.yaml to take the nearest class, or store the masks anew as PNG, from what the "
            "JPEG was made of"
        )

    def _decode_few_bits(self, stored: np.ndarray, bits: int) -> np.ndarray:
        """Decode grey of 1, 2 or 4 bits by the stored numbers or by the levels that they show."""
        used = _find_values(stored)
        shown = [int(value) * (255 // (2**bits - 1)) for value in used]
        meanings = self._choose(used, [(level, level, level) for level in shown], f"has {bits} bits a pixel", False)
        return _look_up(stored, used, meanings)

    def _decode_palette(self, picture: Image.Image) -> tuple[np.ndarray, dict[int, Colour]]:
        """Decode palette indices by the indices themselves, by the grey levels that they show, or by their colours."""
        stored = np.asarray(picture)
        used = _find_values(stored)
        palette = np.zeros((256, 3), int)
        given = np.array(picture.getpalette("RGB") or [], int).reshape(-1, 3)
        palette[: len(given)] = given
        colours = [_as_colour(palette[index]) for index in used]
        meanings = self._choose(used, colours, "has a palette", True)
        told = self.levels != "auto" or meanings in (self._look_up_levels(colours), self._look_up_colours(colours))
        return _look_up(stored, used, meanings), {} if told else dict(zip(used.tolist(), colours, strict=True))

    def _choose(self, stored: np.ndarray, colours: Sequence[Colour], what: str, palette: bool) -> list[int]:
        """Class ids of the values in use: by their colours, by their grey levels, or as stored.

        Raises:
            _AmbiguousError: a value is unknown, or stored and shown values denote different classes.
        """
        by_stored, by_shown = self._look_up_values(stored), self._look_up_levels(colours)
        by_colour = self._look_up_colours(colours) if palette else [UNKNOWN]
        if self.levels != "auto":
            meanings = by_stored if self.levels == "stored" else by_shown
        elif UNKNOWN not in by_colour:
            meanings = by_colour
        elif UNKNOWN in by_shown:
            meanings = by_stored
        elif UNKNOWN in by_stored or by_stored == by_shown or (palette and set(by_shown) - {0, IGNORED}):
            meanings = by_shown
        else:
            place = next(place for place, meaning in enumerate(by_stored) if meaning != by_shown[place])
            raise _AmbiguousError(
                f"{what}, and its number {stored[place]}, shown as the level {colours[place][0]}, means one class as it is "
                "stored and another as it is shown: add `mask_levels: stored` or `mask_levels: shown` to dataset.yaml"
            )
        if UNKNOWN in meanings:
            place = meanings.index(UNKNOWN)
            raise self._make_unknown_error(f"the value {stored[place]} (colour {list(colours[place])})")
        return meanings

    def _look_up_values(self, values: np.ndarray) -> list[int]:
        return [self.values.get(int(value), UNKNOWN) for value in values]

    def _look_up_levels(self, colours: Sequence[Colour]) -> list[int]:
        """Class ids by the grey level of each colour; `UNKNOWN` where it is not grey."""
        return [self.values.get(c[0], UNKNOWN) if c[0] == c[1] == c[2] else UNKNOWN for c in colours]

    def _look_up_colours(self, colours: Sequence[Colour]) -> list[int]:
        return [self.colours.get(colour, UNKNOWN) for colour in colours]

    def _decode_colours(self, mask: np.ndarray) -> np.ndarray:
        meant = _find_colours(mask)
        colours = list(meant)
        meanings = self._look_up_colours(colours)
        if UNKNOWN in meanings:
            listed = ", ".join(str(list(one)) for one in colours[:12])
            if self.colours:
                known = ", ".join(str(list(one)) for one in list(self.colours)[:12])
                raise _AmbiguousError(
                    f"holds the colour {list(colours[meanings.index(UNKNOWN)])}, which is none of the `palette` ({known}): "
                    "correct the mask, or add the colour to `ignored_colours` in dataset.yaml"
                )
            raise _AmbiguousError(
                f"is coloured ({len(colours)} colours: {listed}), and no `palette` says which class has which colour: add "
                "`palette: [[red, green, blue], ...]` to dataset.yaml, a colour for each class in the order of their ids"
            )
        packed = np.array(list(meant.values()))
        return np.array(meanings, np.uint8)[np.searchsorted(packed, _pack_colours(mask))]

    def _make_unknown_error(self, what: str) -> _AmbiguousError:
        classes = sorted(value for value, meaning in self.values.items() if meaning != IGNORED)
        ignored = sorted(value for value, meaning in self.values.items() if meaning == IGNORED)
        hint = " (masks of 0 and 255 are described by `classes: {0: ..., 255: ...}`)" if "value 255" in what else ""
        return _AmbiguousError(
            f"holds {what}, which is no class: allowed are the classes {classes} and, as ignored, {ignored or 'nothing'}; "
            f"correct the mask, or describe the value as a class or as ignored{hint}"
        )


def _tell(decode: Callable[[], Decoded], name: str) -> Decoded:
    """What is decoded, or a sentence that names the mask."""
    try:
        return decode()
    except _AmbiguousError as error:
        raise UserError(f"the mask {name} {error}") from error
    except Exception as error:  # decoders raise errors of many classes
        raise UserError(f"the mask {name} cannot be read ({error}): replace or remove it") from error


def make_threshold() -> dict[int, int]:
    """Values of masks of two classes whose edges are soft: from half the range of 8 bits on, a level is the object."""
    return {level: int(level >= 128) for level in range(256)}


def is_lossy(kind: str, path: ImageSource) -> bool:
    """Whether a file of a format, as Pillow names it, is lossy."""
    if kind != "WEBP":
        return kind in ("JPEG", "MPO")
    with path.open("rb") as file:
        return b"VP8 " in file.read(4096)


def _remove_alpha(picture: Image.Image) -> np.ndarray:
    """The levels of a picture without its alpha channel, which must be opaque."""
    if picture.mode in ("LA", "RGBA", "PA", "La", "RGBa"):
        if np.asarray(picture.getchannel("A")).min(initial=255) < 255:
            raise _AmbiguousError(
                "has an alpha channel that is not opaque, and what it hides may be meant or not: remove the alpha channel"
            )
        picture = picture.convert("L" if picture.mode in ("LA", "La") else "RGB")
    return np.asarray(picture if picture.mode not in ("CMYK", "YCbCr", "LAB", "HSV") else picture.convert("RGB"))


def _require_integers(mask: np.ndarray) -> np.ndarray:
    inside = np.isfinite(mask) & (mask == np.rint(mask)) & (mask >= LOWEST) & (mask <= HIGHEST)
    if not inside.all():
        raise _AmbiguousError(
            f"holds {mask[~inside][0]:g} and is of the type {mask.dtype}: the values of a mask are the ids of classes, "
            "whole numbers"
        )
    return mask.astype(np.int32)


def _find_values(mask: np.ndarray) -> np.ndarray:
    """The values that occur in a mask (H, W), ascending."""
    if mask.dtype in (np.uint8, np.uint16):  # counting takes a tenth of the time of sorting
        return np.flatnonzero(np.bincount(mask.ravel()))
    return np.unique(mask)


def _pack_colours(mask: np.ndarray) -> np.ndarray:
    """The colours of a mask (H, W, 3), each packed into one integer."""
    wide = mask.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def _find_colours(mask: np.ndarray) -> dict[Colour, int]:
    """The colours that occur in a mask (H, W, 3), with their packed integers, ascending."""
    numbers = np.unique(_pack_colours(mask)).tolist()
    return {(number >> 16, number >> 8 & 255, number & 255): number for number in numbers}


def _as_colour(levels: np.ndarray) -> Colour:
    red, green, blue = (int(level) for level in levels)
    return red, green, blue


def _look_up(mask: np.ndarray, used: np.ndarray, meanings: Sequence[int]) -> np.ndarray:
    """The class ids of a mask (H, W), from those of its values in use, ascending."""
    if not len(used):
        return np.zeros(mask.shape, np.uint8)
    table = np.zeros(int(used[-1]) - min(int(used[0]), 0) + 1, np.uint8)
    lowest = min(int(used[0]), 0)
    table[used.astype(np.int64) - lowest] = meanings
    if lowest or mask.dtype == np.bool_:
        return table[mask.astype(np.int64) - lowest]
    return table[mask]
