"""Any data set in a folder: images, masks and a description."""

import difflib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, get_args

from datamodules.base import SegmentationDataModule, Split
from datamodules.dataset import IGNORED
from datamodules.image_files import ImageFiles, is_window, pair
from safe_files.csv_file import read_csv
from safe_files.plain import show
from safe_files.text import read_text
from safe_files.yaml_file import MOST, read_yaml
from user_error import UserError

SPLITS: tuple[Split, ...] = get_args(Split)


KEYS = ("classes", "num_classes", "ignore_index", "channels", "palette", "window", "splits")
"""Those of ``dataset.yaml`` that say something here."""

MOST_KEYS, MOST_CHANNELS = 1000, 1024


class Description:
    """What ``dataset.yaml`` says.

    Args:
        path: the file; every error names it.

    Raises:
        UserError: the file or one of its keys is missing or malformed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries = self._load()
        ids = self._classes()
        self.classes = tuple(ids.values())
        self.mask_values = {value: number for number, value in enumerate(ids)}
        for value in self._ignored():
            if value in self.mask_values:
                raise self._wrong(f"says that {value} is the class {ids[value]!r} and also ignored", "choose one")
            self.mask_values[value] = IGNORED
        self.channels = self._channels()
        self.palette = self._palette()
        self.window = self._window()
        self.splits = self._splits()

    def _wrong(self, met: str, remedy: str) -> UserError:
        return UserError(f"{self.path} {met}: {remedy}")

    def _load(self) -> dict[str, Any]:
        if not self.path.is_file():
            raise UserError(f"{self.path} does not exist: a data folder needs this file, with at least `classes`")
        entries = read_yaml(self.path, "correct it", most=MOST)
        if not isinstance(entries, dict):
            raise self._wrong("is not a mapping", "write one `key: value` on each line")
        if "classes" not in entries:
            raise self._wrong("has no key 'classes'", "add a list of names, or `value in the mask: name` lines")
        if len(entries) > MOST_KEYS:
            raise self._wrong(f"has {len(entries)} keys", f"it knows {', '.join(KEYS)}")
        for key in entries:  # others are the data set's own business: its name, its licence
            meant = difflib.get_close_matches(str(key)[:40], KEYS, 1, 0.8)
            if key not in KEYS and meant:
                raise self._wrong(f"has the unknown key {show(key)}", f"did you mean {meant[0]!r}?")
        return entries

    def _classes(self) -> dict[int, str]:
        """Names by value in the mask, in ascending order."""
        given = self._entries["classes"]
        named = dict(enumerate(given)) if isinstance(given, list) else given
        if not isinstance(named, dict) or not named or not all(_is_mask_value(value) for value in named):
            raise self._wrong(f"has classes {show(given)}", "write a list of names, or `value in the mask: name` lines")
        number = self._entries.get("num_classes", len(named))
        if number != len(named):
            raise self._wrong(f"names {len(named)} classes but says num_classes {show(number)}", "make them agree")
        return {value: str(named[value]) for value in sorted(named)}

    def _ignored(self) -> list[int]:
        given = self._entries.get("ignore_index")
        values = [] if given is None else given if isinstance(given, list) else [given]
        if not all(_is_mask_value(value) for value in values):
            raise self._wrong(
                f"has ignore_index {show(given)}", "write a value of the masks, a list of values, or null"
            )
        return values

    def _channels(self) -> tuple[str, ...]:
        given = self._entries.get("channels", ["red", "green", "blue"])
        if not isinstance(given, list) or not 0 < len(given) <= MOST_CHANNELS:
            raise self._wrong(f"has channels {show(given)}", "write a list with a name for every channel")
        return tuple(str(name) for name in given)

    def _palette(self) -> list[list[int]] | None:
        given = self._entries.get("palette")
        if given is None:
            return None
        fits = isinstance(given, list) and len(given) == len(self.classes)
        if not fits or not all(_is_colour(colour) for colour in given):
            raise self._wrong(
                "has a palette that does not fit", f"write {len(self.classes)} colours [red, green, blue], each 0..255"
            )
        return given

    def _window(self) -> tuple[float, float] | None:
        given = self._entries.get("window")
        if given is None:
            return None
        if not is_window(given):
            raise self._wrong(f"has window {show(given)}", "write [low, high], the levels that become 0 and 255")
        return float(given[0]), float(given[1])

    def _splits(self) -> dict[str, Any]:
        given = self._entries.get("splits") or {}
        if not isinstance(given, dict) or not all(isinstance(listed, list | str) for listed in given.values()):
            raise self._wrong("has malformed splits", "write `train: [stems]` or `train: file.txt`, likewise val, test")
        for name in given:
            if name not in SPLITS:
                raise self._wrong(f"lists the unknown split {show(name)}", f"the splits are {', '.join(SPLITS)}")
        return given


def _is_mask_value(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535


def _is_colour(colour: object) -> bool:
    return isinstance(colour, list) and len(colour) == 3 and all(_is_mask_value(c) and c <= 255 for c in colour)


class FolderDataModule(SegmentationDataModule):
    """The data set in a folder that holds ``dataset.yaml``.

    Either ``root/{train,val,test}/{images,masks}``, or ``root/{images,masks}`` and a list of stems for every split: the
    key `splits` of ``dataset.yaml``, a file ``root/{train,val,test}.txt`` with a stem on each line, or the columns
    `split` and `stem` of ``root/meta.csv``. An image and its mask have the same name up to the extension.

    ``dataset.yaml`` has `classes` (a list of names, or names by the value in the masks) and, where they apply,
    `num_classes` (as a check), `ignore_index` (one value or several), `channels`, `palette`, `window` (see
    `ImageFiles`) and `splits`.

    Further columns of ``meta.csv`` (time of day, institution, ...) say what is known of an image: suites score the
    images of a value by themselves, and `where` leaves images out.

    Args:
        root: the folder.
        where: for a split, the values of columns of ``meta.csv`` that its images must have; such as
            ``{train: {time_of_day: [day]}}`` to train on day frames alone.
        **kwargs: see `SegmentationDataModule`.

    Raises:
        UserError: the folder or its description is missing or malformed.
    """

    def __init__(self, root: str, where: dict[str, dict[str, list[str]]] | None = None, **kwargs: Any) -> None:
        self.root = Path(root).expanduser()
        self.where = where or {}
        if not self.root.is_dir():
            raise UserError(f"the data folder {self.root} does not exist: set --data.init_args.root to yours")
        self.description = Description(self.root / "dataset.yaml")
        for split in self.where:
            if split not in SPLITS:
                raise UserError(f"`where` names the unknown split {split!r}: the splits are {', '.join(SPLITS)}")
        super().__init__(
            classes=self.description.classes,
            channels=self.description.channels,
            palette=self.description.palette,
            **kwargs,
        )

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the data: also the window that new images must be seen through."""
        return {**super().state_dict(), "window": self.description.window}

    def dataset(self, split: Split) -> ImageFiles:
        """The files of a split.

        Raises:
            UserError: the split is unknown or has neither folder nor list, or its files are not complete.
        """
        if split not in SPLITS:
            raise UserError(f"there is no split {split!r}: the splits are {', '.join(SPLITS)}")
        folder = self.root / split
        if (folder / "images").is_dir() or (folder / "masks").is_dir():
            pairs = pair(folder / "images", folder / "masks")
        elif (self.root / "images").is_dir():
            pairs = pair(self.root / "images", self.root / "masks", self._listed(split))
        else:
            raise UserError(f"{self.root} has neither {split}/images nor images: see FolderDataModule for the layouts")
        description = self.description
        if self.where.get(split):
            kept = self._selected(split)
            pairs = [one for one in pairs if one.id in kept]
        return ImageFiles(pairs, description.mask_values, len(description.channels), description.window)

    def meta(self, split: Split) -> dict[str, dict[str, str]]:
        """The rows of ``meta.csv`` for the images of a split, by id; nothing where there is no such file."""
        ids = set(self.dataset(split).ids)
        return {name: row for name, row in self._rows(split).items() if name in ids}

    def _rows(self, split: Split) -> dict[str, dict[str, str]]:
        """Columns other than split and stem, by stem."""
        return {
            row["stem"]: {column: value for column, value in row.items() if column not in ("split", "stem")}
            for row in self._table()
            if row["split"] == split
        }

    def _selected(self, split: Split) -> set[str]:
        """Ids of the images that `where` keeps.

        Raises:
            UserError: it asks for a column or a value that no image of the split has.
        """
        rows = self._rows(split)
        kept = set(rows)
        for column, values in self.where[split].items():
            known = {row[column] for row in rows.values() if column in row}
            absent = [value for value in map(str, values) if value not in known]
            if absent or not values:
                given = f"value {absent[0]!r}" if absent else "no value"
                listed = ", ".join(sorted(known)[:8]) or "no value"
                raise UserError(
                    f"`where` asks for {column} with {given} in the split {split!r}, but meta.csv has {listed}: correct it"
                )
            kept &= {name for name, row in rows.items() if row.get(column) in {str(value) for value in values}}
        return kept

    def _listed(self, split: Split) -> list[str]:
        """The stems of a split.

        Raises:
            UserError: there is no list, a stem is listed twice or leaves the folder, or training has test images.
        """
        lists = self._lists()
        if split not in lists:
            raise UserError(
                f"{self.root} lists no split {split!r}: add it to `splits` in dataset.yaml, write {split}.txt, "
                "or add it to the columns split,stem of meta.csv"
            )
        for name, stems in lists.items():
            repeated = sorted(stem for stem, times in Counter(stems).items() if times > 1)
            if repeated:
                raise UserError(f"{self.root} lists {repeated[0]!r} twice in the split {name!r}: remove one")
            shared = sorted(set(stems) & set(lists.get("train", ()))) if name != "train" else []
            if shared:
                raise UserError(f"{self.root} lists {shared[0]!r} in the splits 'train' and {name!r}: remove it in one")
        return lists[split]

    def _lists(self) -> Mapping[str, list[str]]:
        if self.description.splits:
            named = self.description.splits
            return {name: self._stems(listed) for name, listed in named.items()}
        files = {name: f"{name}.txt" for name in SPLITS if (self.root / f"{name}.txt").is_file()}
        if files:
            return {name: self._stems(listed) for name, listed in files.items()}
        lists: dict[str, list[str]] = {}
        for row in self._table():
            lists.setdefault(row["split"], []).append(self._inside(row["stem"]))
        return lists

    def _stems(self, listed: list[Any] | str) -> list[str]:
        """The stems of a list, or of the text file that it names."""
        if isinstance(listed, list):
            return [self._inside(str(stem)) for stem in listed]
        path = self.root / self._inside(listed)
        if not path.is_file():
            raise UserError(f"the list {path} does not exist: write it with a stem on each line")
        lines = read_text(path, "write it with a stem on each line").split("\n")
        return [self._inside(line.strip()) for line in lines if line.strip()]

    def _table(self) -> list[dict[str, str]]:
        """The rows of ``meta.csv``; none where there is no such file."""
        path = self.root / "meta.csv"
        if not path.is_file():
            return []
        columns, rows = read_csv(path, "write one with the columns split,stem")
        if not {"split", "stem"} <= set(columns):
            raise UserError(f"{path} lacks the columns split,stem: add them, or list the splits in dataset.yaml")
        for row in rows:
            if row["split"] not in SPLITS:
                raise UserError(f"{path} has the unknown split {row['split'][:80]!r}: they are {', '.join(SPLITS)}")
        return rows

    def _inside(self, name: str) -> str:
        """`name`, unless it could lead out of the data folder."""
        posix, windows = PurePosixPath(name), PureWindowsPath(name)
        if not name or posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
            raise UserError(f"{self.root} lists {name!r}, which leads out of the folder: list stems inside it")
        return name
