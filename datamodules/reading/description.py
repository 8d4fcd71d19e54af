"""The description of a data set in a folder, ``dataset.yaml``."""

import difflib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from datamodules.dataset import IGNORED
from datamodules.reading.decoding import Orientation
from datamodules.reading.image_reading import MODES, ImageReading, is_window
from datamodules.reading.layouts import explain_layout
from datamodules.reading.lists import SPLIT_NAMES
from datamodules.reading.mask_reading import HIGHEST, LOWEST, MaskLevels, MaskReading
from datamodules.reading.pairs import Naming
from plain_values import show
from safe_files.yaml_file import MOST, read_yaml
from user_error import UserError

CHOICES: dict[str, tuple[Any, ...]] = {
    "mode": MODES,
    "orientation": get_args(Orientation),
    "mask_levels": get_args(MaskLevels),
    "lossy_masks": ("nearest",),
}
NAMING = tuple(Naming._fields)
KEYS = (
    *("classes", "num_classes", "ignore_index", "channels", "palette", "ignored_colours", "window", "splits"),
    "shift_columns",
    *CHOICES,
    *NAMING,
)
"""Keys of ``dataset.yaml`` that are interpreted."""

MOST_KEYS, MOST_CHANNELS = 1000, 1024


class Description:
    """The content of ``dataset.yaml``.

    Args:
        path: the file, which every error names.

    Raises:
        UserError: the file or one of its keys is missing or malformed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries = self._load()
        ids = self._read_classes()
        self.classes = tuple(ids.values())
        self.mask_values = {value: number for number, value in enumerate(ids)}
        for value in self._read_ignored():
            if value in self.mask_values:
                raise self._make_error(f"says that {value} is the class {ids[value]!r} and also ignored", "choose one")
            self.mask_values[value] = IGNORED
        self.channels = self._read_channels()
        self.palette = self._read_colours("palette", len(self.classes))
        self.ignored_colours = self._read_colours("ignored_colours", None) or []
        self.window = self._read_window()
        self.splits = self._read_splits()
        self.shift_columns = self._read_shift_columns()
        for key, choices in CHOICES.items():
            if self._entries.get(key) is not None and self._entries[key] not in choices:
                raise self._make_error(f"has {key} {show(self._entries[key])}", f"it is one of {', '.join(choices)}")
        self.naming = self._read_naming()

    @property
    def images(self) -> ImageReading:
        """How images are read."""
        return ImageReading(
            self.channels, self.window, self._entries.get("mode"), self._get_choice("orientation", "tag")
        )

    @property
    def masks(self) -> MaskReading:
        """How masks are read."""
        colours = {(red, green, blue): number for number, (red, green, blue) in enumerate(self.palette or [])}
        colours |= {(red, green, blue): IGNORED for red, green, blue in self.ignored_colours}
        return MaskReading(
            self.mask_values,
            colours,
            self._get_choice("mask_levels", "auto"),
            self._entries.get("lossy_masks") == "nearest",
            self._get_choice("orientation", "tag"),
        )

    def _get_choice(self, key: str, default: Any) -> Any:
        return default if self._entries.get(key) is None else self._entries[key]

    def _make_error(self, problem: str, remedy: str) -> UserError:
        return UserError(f"{self.path} {problem}: {remedy}")

    def _load(self) -> dict[str, Any]:
        if not self.path.is_file():
            looks = explain_layout(self.path.parent)
            wanted = f"{self.path} does not exist: a data folder needs this file, with at least `classes`"
            raise UserError(wanted if looks is None else f"{wanted} ({looks})")
        entries = read_yaml(self.path, "correct it", most=MOST)
        if not isinstance(entries, dict):
            raise self._make_error("is not a mapping", "write one `key: value` on each line")
        if "classes" not in entries:
            raise self._make_error("has no key 'classes'", "add a list of names, or `value in the mask: name` lines")
        if len(entries) > MOST_KEYS:
            raise self._make_error(f"has {len(entries)} keys", f"it knows {', '.join(KEYS)}")
        for key in entries:  # further keys are allowed, such as name and licence
            meant = difflib.get_close_matches(str(key)[:40], KEYS, 1, 0.8)
            if key not in KEYS and meant:
                raise self._make_error(f"has the unknown key {show(key)}", f"did you mean {meant[0]!r}?")
        return entries

    def _read_shift_columns(self) -> tuple[str, ...]:
        given = self._entries.get("shift_columns") or []
        if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
            raise self._make_error(f"has shift_columns {show(given)}", "list columns of meta.csv, such as [weather]")
        return tuple(dict.fromkeys(given))

    def _read_classes(self) -> dict[int, str]:
        """Names by value in the mask, in ascending order."""
        given = self._entries["classes"]
        named = dict(enumerate(given)) if isinstance(given, list) else given
        known = isinstance(named, dict) and bool(named)
        ids = {key: _as_number(key) for key in named} if known else {}
        if not known or not all(_is_mask_value(value) for value in ids.values()):
            raise self._make_error(
                f"has classes {show(given)}", "write a list of names, or `value in the mask: name` lines"
            )
        if len(set(ids.values())) < len(ids):
            raise self._make_error(f"has the classes {show(given)}, two of the same number", "give each its own")
        names = {ids[key]: self._read_name(name, "a class") for key, name in named.items()}
        for name in names.values():
            if list(names.values()).count(name) > 1:
                raise self._make_error(f"names two classes {name!r}", "give each its own name")
        number = self._entries.get("num_classes", len(names))
        if number != len(names):
            raise self._make_error(f"names {len(names)} classes but says num_classes {show(number)}", "make them agree")
        if len(names) < 2:
            raise self._make_error(
                "names one class", "name what the others are, too, such as `classes: {0: background, 1: object}`"
            )
        return {value: names[value] for value in sorted(names)}

    def _read_name(self, name: Any, what: str) -> str:
        if isinstance(name, bool):
            raise self._make_error(
                f"names {what} {name}, as which YAML reads the bare words yes, no, on, off, true and false",
                'write the name between quotes: "yes", "no"',
            )
        if name is None or isinstance(name, list | dict) or not str(name).strip():
            raise self._make_error(
                f"names {what} {show(name)}", "write its name, between quotes if it is a word of YAML"
            )
        return str(name)

    def _read_ignored(self) -> list[int]:
        given = self._entries.get("ignore_index")
        values = [] if given is None else given if isinstance(given, list) else [given]
        if not all(_is_mask_value(value) for value in values):
            raise self._make_error(
                f"has ignore_index {show(given)}", "write a value of the masks, a list of values, or null"
            )
        return values

    def _read_channels(self) -> tuple[str, ...]:
        given = self._entries.get("channels", ["red", "green", "blue"])
        if not isinstance(given, list) or not 0 < len(given) <= MOST_CHANNELS:
            raise self._make_error(f"has channels {show(given)}", "write a list with a name for every channel")
        names = tuple(self._read_name(name, "a channel") for name in given)
        if len(set(names)) < len(names):
            raise self._make_error(f"names two channels alike ({', '.join(names)[:80]})", "give each its own name")
        return names

    def _read_colours(self, key: str, wanted: int | None) -> list[list[int]] | None:
        given = self._entries.get(key)
        if given is None:
            return None
        fits = isinstance(given, list) and (wanted is None or len(given) == wanted) and len(given) <= HIGHEST
        if not fits or not all(_is_colour(colour) for colour in given):
            number = "" if wanted is None else f"{wanted} "
            what = "a palette" if key == "palette" else key
            raise self._make_error(
                f"has {what} that does not fit", f"write {number}colours [red, green, blue], each 0..255"
            )
        return given

    def _read_window(self) -> tuple[float, float] | None:
        given = self._entries.get("window")
        if given is None:
            return None
        if not is_window(given):
            remedy = "write [low, high], the levels that become 0 and 255"
            if isinstance(given, list) and any(isinstance(level, str) for level in given):
                remedy += ", as plain numbers: YAML reads forms such as -1e3 as text (-1000 or -1.0e+3 are numbers)"
            raise self._make_error(f"has window {show(given)}", remedy)
        return float(given[0]), float(given[1])

    def _read_splits(self) -> Mapping[str, Any]:
        given = self._entries.get("splits") or {}
        if not isinstance(given, dict) or not all(isinstance(listed, list | str) for listed in given.values()):
            raise self._make_error(
                "has malformed splits", "write `train: [stems]` or `train: file.txt`, likewise val, test"
            )
        for name in given:
            if name not in SPLIT_NAMES:
                raise self._make_error(f"lists the unknown split {show(name)}", "the splits are train, val, test")
        meant = {SPLIT_NAMES[name]: listed for name, listed in given.items()}
        if len(meant) < len(given):
            raise self._make_error(f"names one split twice ({', '.join(map(str, given))})", "name each once")
        return meant

    def _read_naming(self) -> Naming:
        given = {key: self._entries[key] for key in NAMING if self._entries.get(key) is not None}
        for key, value in given.items():
            if not isinstance(value, str) or PurePosixPath(value).is_absolute() or ".." in Path(value).parts:
                raise self._make_error(
                    f"has {key} {show(value)}", "write a folder inside the split, or the end of a name"
                )
        naming = Naming(**given)
        if naming.image_folder == naming.mask_folder and naming.image_suffix == naming.mask_suffix:
            raise self._make_error(
                "names images and masks alike", "add `mask_suffix`, what ends the names of masks alone"
            )
        return naming


def _as_number(value: Any) -> Any:
    """Convert a number between quotes to an integer; other values are unchanged."""
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


def _is_mask_value(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and LOWEST <= value <= HIGHEST


def _is_colour(colour: object) -> bool:
    return (
        isinstance(colour, list)
        and len(colour) == 3
        and all(isinstance(level, int) and not isinstance(level, bool) and 0 <= level <= 255 for level in colour)
    )
