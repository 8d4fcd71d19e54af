"""Conversion of image files to 8-bit arrays; checkpoints store its settings, to read new images in the same way."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from PIL import Image

from datamodules.reading.decoding import Orientation, open_picture, read_levels, read_no_data_level
from datamodules.reading.embedded import ImageSource
from user_error import UserError

COLOURS = ("red", "green", "blue")
MODES = ("RGB", "L")
"""Pillow modes to which pictures can be converted."""

FARTHEST = 1e30
"""Larger levels are refused: programs write them where data are missing."""


def name_channels(number: int) -> tuple[str, ...]:
    """Default names of a number of channels."""
    return COLOURS if number == len(COLOURS) else tuple(f"channel {place}" for place in range(number))


class NotAsDescribedError(ValueError):
    """An intact picture that does not fit the description of the data set; the message contains the remedy."""


@dataclass(frozen=True)
class ImageReading:
    """Settings for reading images.

    Args:
        channels: names of the channels; a grey picture is repeated for red, green and blue, and an RGB picture with equal
            channels is read as one channel where one is described.
        window: the levels (low, high) that become 0 and 255, linearly; needed for data of more than 8 bits.
        mode: Pillow mode, "RGB" or "L", to which pictures are converted, for data sets with several modes.
        orientation: whether the orientation tag of a picture is applied, or its pixels are left as they are stored.
    """

    channels: tuple[str, ...] = COLOURS
    window: tuple[float, float] | None = None
    mode: str | None = None
    orientation: Orientation = "tag"

    def as_state(self) -> dict[str, Any]:
        """Plain data for a checkpoint; the inverse of `from_state`."""
        return {**asdict(self), "channels": list(self.channels), "window": self.window and list(self.window)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "ImageReading":
        """The settings that `as_state` stored; missing ones have their defaults."""
        window = state.get("window")
        return cls(
            tuple(state.get("channels") or COLOURS),
            None if window is None else (float(window[0]), float(window[1])),
            state.get("mode"),
            state.get("orientation", "tag"),
        )

    def describe(self) -> str:
        """What it reads, in words: "red, green, blue of 8 bits"."""
        levels = "of 8 bits" if self.window is None else f"by the window [{self.window[0]:g}, {self.window[1]:g}]"
        mode = "" if self.mode is None else f", in the mode {self.mode}"
        return f"{', '.join(self.channels)} {levels}{mode}"

    def read(self, path: ImageSource, page: int | None = None) -> np.ndarray:
        """Decode an image file to uint8 (H, W, C).

        Args:
            path: of the file.
            page: the one that is meant, from 0 on; where it is `None`, a file of several pages is refused.

        Raises:
            UserError: the file cannot be read, or does not fit the description.
        """
        if isinstance(path, Path) and path.suffix.lower() == ".npy":
            return self.convert(lambda: read_levels(path), str(path))
        return self.convert(lambda: self._decode(path, page), str(path) if page is None else f"{path} (page {page})")

    def convert(self, decode: Callable[[], np.ndarray], name: str) -> np.ndarray:
        """Convert what a decoder returns, levels (H, W, C) or (H, W) of any type, to uint8 (H, W, C).

        Args:
            decode: reads the levels.
            name: of the image, for the message.

        Raises:
            UserError: they cannot be read, or do not fit the description.
        """
        try:
            return self._apply_window(self._match_channels(decode()))
        except NotAsDescribedError as error:
            raise UserError(f"the image {name} {error}") from error
        except Exception as error:  # decoders raise errors of many classes
            raise UserError(f"the image {name} cannot be read ({error}): replace or remove it") from error

    def _decode(self, path: ImageSource, page: int | None) -> np.ndarray:
        """The levels of a picture in `mode`, or in its own mode, with palettes, CMYK, YCbCr, LAB and HSV converted to RGB."""
        picture, _, rawmodes = open_picture(path, self.orientation, page)
        mode = self.mode
        multiplied = "RGBa" in rawmodes  # the decoder has divided colours by alpha
        keyed = "transparency" in picture.info
        if len(picture.getbands()) != len(self.channels) or mode is not None or multiplied or keyed:
            flat = _remove_alpha(picture)
            picture = picture if multiplied and len(self.channels) == 4 and mode is None else flat
        if mode is None and picture.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV"):
            mode = "RGB"
        if mode is None and picture.mode == "1":
            mode = "L"
        levels = np.asarray(picture if mode is None else picture.convert(mode))
        marker = read_no_data_level(picture)
        if marker is not None and (levels == marker).any():
            raise NotAsDescribedError(f"holds the level {marker:g}, which it calls no data: fill it in beforehand")
        return levels

    def _match_channels(self, levels: np.ndarray) -> np.ndarray:
        """Levels (H, W, C) with the described number of channels; grey is repeated for RGB, and grey RGB reduced to one."""
        levels = levels[..., None] if levels.ndim == 2 else levels
        channels = len(self.channels)
        if levels.ndim != 3:
            raise NotAsDescribedError(
                f"has the shape {levels.shape}: arrays are height x width x channels; store it like that"
            )
        found = levels.shape[2]
        if levels.size == 0:
            raise NotAsDescribedError(f"has the shape {levels.shape}, without any pixel: remove it")
        if found == channels:
            return levels
        if found == 1 and tuple(name.lower() for name in self.channels) == COLOURS:
            return np.repeat(levels, channels, 2)
        if found == 3 and channels == 1 and (levels[..., :1] == levels).all():
            return levels[..., :1]
        raise NotAsDescribedError(
            f"has {found} channels, but the data are described with {channels}: {self._suggest_remedy(levels)}"
        )

    def _suggest_remedy(self, levels: np.ndarray) -> str:
        found, channels = levels.shape[2], len(self.channels)
        if levels.shape[0] == channels:
            return f"its shape is {levels.shape}, and arrays are height x width x channels; transpose it"
        if (found, channels) == (3, 1):
            return "convert it, add `mode: L` to dataset.yaml to read colours as grey, or name 3 `channels`"
        if (found, channels) == (1, 3):
            return "convert it, add `mode: RGB` to dataset.yaml to read grey as three equal channels, or name 1 channel"
        return f"convert it, or name {found} `channels` (arrays are height x width x channels)"

    def _apply_window(self, levels: np.ndarray) -> np.ndarray:
        """Levels of 8 bits, mapped by the window where there is one."""
        if levels.dtype == np.bool_:
            levels = levels.astype(np.uint8) * (1 if self.window else 255)
        elif levels.dtype == np.uint8 and self.window is not None and self.window[1] > 255:
            raise NotAsDescribedError(
                f"has levels of 8 bits, but the `window` reaches up to {self.window[1]:g}, by which it would be dark: "
                "store it like the others"
            )
        if levels.dtype == np.uint8 and self.window is None:
            return levels if levels.flags.writeable and levels.flags.owndata else np.array(levels)
        if self.window is None or levels.dtype.kind not in "uif":
            raise NotAsDescribedError(
                f"has levels of type {levels.dtype}, not 8 bit: give the data a `window`, the two levels that become 0 "
                "and 255 (in a folder's dataset.yaml: window: [low, high])"
            )
        if levels.dtype.kind == "f":
            _require_numbers(levels)
        return apply_window(levels, self.window)


def _require_numbers(levels: np.ndarray) -> None:
    if not np.isfinite(levels).all():
        raise NotAsDescribedError("holds levels that are not finite numbers: fill them in beforehand")
    if abs(levels).max(initial=0) > FARTHEST:
        farthest = levels.flat[abs(levels).argmax()]
        raise NotAsDescribedError(
            f"holds the level {farthest:g}, by which programs say that nothing was measured: fill it in beforehand"
        )


def apply_window(levels: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Map levels (H, W, C) of any type to uint8, the window linearly to 0..255."""
    (low, high), found = window, np.empty(levels.shape, np.uint8)
    for row, line in enumerate(levels):  # row by row, since float64 takes eight times the memory
        found[row] = np.clip(np.rint((line.astype(np.float64) - low) * (255 / (high - low))), 0, 255)
    return found


def _remove_alpha(picture: Image.Image) -> Image.Image:
    """Remove the alpha channel of a picture, which must be opaque."""
    if "transparency" not in picture.info and not picture.mode.upper().endswith("A"):
        return picture
    opaque = picture.convert("RGBA")
    lowest = int(np.asarray(opaque.getchannel("A")).min(initial=255))
    if lowest < 255:
        raise NotAsDescribedError(
            f"has an alpha channel that is not opaque (down to {lowest} of 255), and what shows through is not said: "
            "flatten it onto a background, or remove the alpha channel"
        )
    plain = {"LA": "L", "La": "L", "RGBA": "RGB", "RGBa": "RGB", "PA": "RGB"}.get(picture.mode)
    flat = picture.copy() if plain is None else picture.convert(plain)
    flat.info.pop("transparency", None)
    return flat


def find_reading_problem(state: Any, number: int) -> str:
    """Describe what is wrong with a state of `ImageReading.as_state` from an untrusted file; an empty text if nothing is.

    Args:
        state: may be `None`, as in older checkpoints.
        number: number of channels that the network takes.
    """
    if state is None:
        return ""
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        return "its reading is no mapping"
    channels, window = state.get("channels"), state.get("window")
    if not isinstance(channels, list | tuple) or not all(isinstance(name, str) for name in channels):
        return "its reading has no names of channels"
    if len(channels) != number:
        return f"its reading has {len(channels)} channels, where the network takes {number}"
    if window is not None and not is_window(window):
        return "its reading has no window of two levels"
    if state.get("mode") not in (None, *MODES) or state.get("orientation", "tag") not in get_args(Orientation):
        return "its reading has an unknown mode or orientation"
    return ""


def is_window(given: object) -> bool:
    """Whether a value is a pair of finite levels, the lower one first."""
    return (
        isinstance(given, list | tuple)
        and len(given) == 2
        and all(isinstance(level, int | float) and math.isfinite(level) for level in given)
        and given[0] < given[1]
        and math.isfinite(255 / (given[1] - given[0]))
    )
