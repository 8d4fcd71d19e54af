"""Any data set in the formats of Hugging Face's library `datasets`: tables in a folder, or on the hub."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from datamodules.base import SegmentationDataModule, Split
from datamodules.dataset import IGNORED, SegmentationDataset
from datamodules.image_files import ImageFiles
from datamodules.reading.found_files import leads_out
from datamodules.reading.hub import download_tables
from datamodules.reading.image_reading import COLOURS, ImageReading, is_window
from datamodules.reading.lists import SPLIT_NAMES
from datamodules.reading.mask_reading import MaskLevels, MaskReading
from datamodules.reading.pairs import Pair
from datamodules.reading.tables import TableFile, find_tables
from datamodules.splitting import SHARES, require_shares, split_by_unit
from datamodules.table_rows import Row, TableRows
from plain_values import show
from safe_files.roots import find_data
from user_error import UserError

SPLITS: tuple[Split, ...] = get_args(Split)

Sources = dict[str, list[tuple[Row, dict[str, str]]]]
"""Rows with their texts and numbers, by the split that the data set says."""

Members = dict[Split, tuple[list[Row], list[dict[str, str]]]]
"""Rows, and their texts and numbers, by our splits."""


class HuggingFaceDataModule(SegmentationDataModule):
    """A folder that `save_to_disk` wrote, or of Parquet files, or of images with ``metadata.csv``; or a data set of the hub.

    Splits are those of the data set, or of the column `split_column`. One that is missing is taken out of `train`, whole
    units at a time, by `shares` and `seed`; another mapping is said by `splits`. Columns of texts and numbers are metadata
    of the images, for suites of real shifts.

    The library `datasets` is not used: files are read by pyarrow, and images by the project's own decoders, so that the same
    is read and refused as in a folder (docs/own_data.md). Code of a repository is neither downloaded nor run.

    Args:
        root: the folder.
        hub: ``OWNER/NAME`` of a data set on the hub, in place of a folder.
        revision: branch, tag or commit on the hub; ``refs/convert/parquet`` where it stores no tables of its own.
        image: the column of images.
        mask: the column of masks.
        classes: names in the order of their ids, or by the value in the masks; those of the column's features if `None`.
        ignore_index: values of pixels without a label.
        channels: names of the channels.
        window: the levels that become 0 and 255, for data of more than 8 bits.
        mode: Pillow mode to which pictures are converted; see `ImageReading`.
        mask_levels: see `MaskReading`.
        lossy_masks: whether masks of JPEG are read by the nearest class.
        id_column: names of the images; the split and the row if `None`.
        splits: the data set's splits by those of this project, such as ``{train: train, val: validation, test: validation}``.
        split_column: column that says the split of each row.
        shares: of the images, for splits that are missing.
        seed: another one gives another split.
        **kwargs: see `SegmentationDataModule`; `unit` is the column of patients.

    Raises:
        UserError: there is no such folder or column, or classes are not named.
    """

    def __init__(
        self,
        root: str | None = None,
        hub: str | None = None,
        revision: str | None = None,
        image: str = "image",
        mask: str = "mask",
        classes: list[str] | dict[int, str] | None = None,
        ignore_index: list[int] | None = None,
        channels: list[str] | None = None,
        window: tuple[float, float] | None = None,
        mode: str | None = None,
        mask_levels: MaskLevels = "auto",
        lossy_masks: bool = False,
        id_column: str | None = None,
        splits: dict[str, str] | None = None,
        split_column: str | None = None,
        shares: dict[str, float] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        if (root is None) == (hub is None):
            raise UserError(
                "a data set is in a folder or on the hub: give --data.init_args.root or --data.init_args.hub"
            )
        if window is not None and not is_window(window):
            raise UserError(f"window is {list(window)}: give [low, high], the levels that become 0 and 255")
        unknown = [name for name in splits or {} if name not in SPLITS]
        if unknown:
            raise UserError(f"splits names {unknown[0]!r}: the splits are {', '.join(SPLITS)}")
        self.root = None if root is None else find_data(root)
        self.hub, self.revision = hub, revision
        self.image, self.mask = image, mask
        self._tables: dict[str, list[TableFile]] | None = None
        named = self._read_classes(classes)
        super().__init__(classes=list(named.values()), channels=channels or COLOURS, **kwargs)
        self.values = {value: number for number, value in enumerate(named)} | dict.fromkeys(ignore_index or (), IGNORED)
        self.window = None if window is None else (float(window[0]), float(window[1]))
        self.mode = mode
        self.mask_levels: MaskLevels = mask_levels
        self.lossy_masks = lossy_masks
        self.id_column = id_column
        self.splits = splits
        self.split_column = split_column
        self.shares = dict(shares or SHARES)
        require_shares(self.shares)
        self.seed = seed
        self.test_is_val = (
            splits is not None and splits.get("val") is not None and splits.get("val") == splits.get("test")
        )
        self._members: Members | None = None

    @property
    def reading(self) -> ImageReading:
        """As the settings say."""
        return ImageReading(self.channels, self.window, self.mode)

    def make_dataset(self, split: Split) -> SegmentationDataset:
        """The rows of a split.

        Raises:
            UserError: the tables cannot be read or lack a column, or there is no such split.
        """
        rows, _ = self._divide()[split]
        colours = {(red, green, blue): number for number, (red, green, blue) in enumerate(self.palette or [])}
        masks = MaskReading(self.values, colours, self.mask_levels, self.lossy_masks)
        files = [table for tables in self._open().values() for table in tables]
        columns = {number: self._find_columns(files[number]) for number in {one.table for one in rows}}
        if rows and all(_names_files(files[number], columns[number]) for number in columns):
            return ImageFiles(
                [_find_pair(files[one.table], columns[one.table], one) for one in rows], masks, self.reading
            )
        return TableRows([table.path for table in files], rows, (self.image, self.mask), masks, self.reading)

    def read_meta(self, split: Split) -> Mapping[str, Mapping[str, str]]:
        """The texts and numbers of each row, by the name of their column."""
        rows, meta = self._divide()[split]
        return {
            one.id: {key: value for key, value in cells.items() if value} for one, cells in zip(rows, meta, strict=True)
        }

    def _open(self) -> dict[str, list[TableFile]]:
        """The tables, by the name of their split in the data set."""
        if self._tables is None:
            folder = download_tables(str(self.hub), self.revision) if self.root is None else self.root
            self._tables = {split: [TableFile(path) for path in paths] for split, paths in find_tables(folder).items()}
        return self._tables

    def _find_columns(self, table: TableFile) -> tuple[str, str]:
        """The columns of image and mask; those of an image folder may be called by the names of files."""
        found = []
        for name, others in (
            (self.image, (f"{self.image}_file_name", "file_name")),
            (self.mask, (f"{self.mask}_file_name",)),
        ):
            there = [one for one in (name, *others) if one in table.schema.names]
            if not there:
                table.require_columns([name])
            found.append(there[0])
        return found[0], found[1]

    def _read_classes(self, given: Sequence[str] | Mapping[int, str] | None) -> dict[int, str]:
        """Names by the value in the masks, ascending."""
        if given is None:
            if self.root is None:
                raise UserError(
                    "name the classes of a data set of the hub by --data.init_args.classes, before it is downloaded"
                )
            first = next(table for tables in self._open().values() for table in tables)
            given = _find_names(first.features.get(self.mask))
            if given is None:
                raise UserError(
                    f"{first.path} does not name the classes of {self.mask!r}: give --data.init_args.classes, a list, or "
                    "{value: name}"
                )
        named = dict(given) if isinstance(given, Mapping) else dict(enumerate(given))
        names = [str(name) for name in named.values()]
        if len(set(names)) < len(names):
            raise UserError(f"classes names two alike ({show(names)}): give each its own name")
        return {int(value): str(named[value]) for value in sorted(named)}

    def _divide(self) -> Members:
        """Rows and their metadata by split."""
        if self._members is None:
            self._members = self._assign(self._list_rows())
        return self._members

    def _list_rows(self) -> Sources:
        found: Sources = {}
        number = 0
        for source, tables in self._open().items():
            first = 0
            for table in tables:
                columns = self._find_columns(table)
                table.require_columns(
                    [one for one in (self.id_column, self.split_column, self.unit) if one is not None]
                )
                texts = {key: cells for key, cells in table.read_texts().items() if key not in columns}
                for row in range(table.rows):
                    cells = {key: texts[key][row] for key in texts}
                    name = f"{source}/{first + row:06d}" if self.id_column is None else cells.get(self.id_column, "")
                    split = source if self.split_column is None else cells.get(self.split_column, "")
                    found.setdefault(split, []).append((Row(name, number, row), cells))
                first += table.rows
                number += 1
        self._require_ids([one.id for rows in found.values() for one, _ in rows])
        return found

    def _require_ids(self, names: list[str]) -> None:
        seen: set[str] = set()
        for name in names:
            if not name or name in seen:
                problem = f"holds {name!r} twice" if name else "is empty in a row"
                raise UserError(
                    f"the column {self.id_column!r} {problem}, and an image is known by it: take another one"
                )
            seen.add(name)

    def _name_splits(self, sources: Sources) -> dict[str, str]:
        """The data set's splits by ours: as mapped, or by their names."""
        named = dict(self.splits or {})
        if not named:
            for name in sources:
                meant = SPLIT_NAMES.get(name.lower(), name)
                if meant in named:
                    raise UserError(
                        f"the data have the splits {named[meant]!r} and {name!r}: say which is {meant!r} by "
                        "--data.init_args.splits"
                    )
                named[meant] = name
            if "train" not in named and len(sources) == 1:
                named = {"train": next(iter(sources))}
        absent = [name for name in named.values() if name not in sources]
        if absent or "train" not in named:
            raise UserError(
                f"the data have the splits {', '.join(map(repr, sources))}{'' if not absent else f' and no {absent[0]!r}'}: say "
                "which is which by --data.init_args.splits, such as {train: training, val: validation}"
            )
        if named["train"] in [source for name, source in named.items() if name != "train"]:
            raise UserError(
                f"splits names {named['train']!r} as `train` and as another split: take another one for that"
            )
        return named

    def _assign(self, sources: Sources) -> Members:
        """Rows by our splits; what is missing is taken out of `train`."""
        named = self._name_splits(sources)
        found: Sources = {name: sources[named[name]] for name in SPLITS if name in named}
        missing = [name for name in SPLITS if name not in found and self.shares.get(name)]
        if missing:
            members = found["train"]
            units = [one.id if self.unit is None else cells.get(self.unit, "") for one, cells in members]
            if not all(units):
                raise UserError(f"the column {self.unit!r} is empty in a row, whose split is drawn by it: fill it in")
            splits = split_by_unit(units, {name: self.shares.get(name, 0.0) for name in ("train", *missing)}, self.seed)
            for name in ("train", *missing):
                found[name] = [one for one, unit in zip(members, units, strict=True) if splits[unit] == name]
        return {
            name: ([one for one, _ in found.get(name, [])], [cells for _, cells in found.get(name, [])])
            for name in SPLITS
        }


def _find_names(feature: Any) -> list[str] | None:
    """The names of classes in a feature, such as a list of lists of labels."""
    while isinstance(feature, dict | list):
        if isinstance(feature, dict) and isinstance(feature.get("names"), list):
            return [str(name) for name in feature["names"]]
        feature = feature.get("feature") if isinstance(feature, dict) else feature[0] if feature else None
    return None


def _names_files(table: TableFile, columns: tuple[str, str]) -> bool:
    """Whether a table names files in place of holding them."""
    return all(str(table.schema.field(column).type) in ("string", "large_string") for column in columns)


def _find_pair(table: TableFile, columns: tuple[str, str], one: Row) -> Pair:
    """The files that a row names."""
    paths: list[Path] = []
    for column in columns:
        name = table.read_cell(one.row, column)
        if not isinstance(name, str) or leads_out(name):
            raise UserError(
                f"{table.path} (row {one.row}) names {show(name)}, which leads out of the folder: name a file inside it"
            )
        paths.append(table.path.parent / name)
        if not paths[-1].is_file():
            raise UserError(
                f"{table.path} (row {one.row}) names {show(name)}, which does not exist: complete the data set"
            )
    return Pair(one.id, paths[0], paths[1])
