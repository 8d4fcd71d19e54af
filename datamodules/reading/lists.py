"""The lists of images of each split, and the metadata of images in ``meta.csv``."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from datamodules.reading.found_files import SUFFIXES, as_id, leads_out
from safe_files.csv_file import read_csv
from safe_files.text import read_text
from user_error import UserError

SPLIT_NAMES = {
    **{"train": "train", "training": "train"},
    **{"val": "val", "valid": "val", "validation": "val", "dev": "val"},
    **{"test": "test", "testing": "test"},
}
"""Names of splits in data sets, by the split that they denote."""


def as_listed(name: str) -> str:
    """Normalise the name of a listed image: with forward slashes, and without the suffix of an image."""
    normalised = as_id(name.strip()).replace("\\", "/").removeprefix("./")
    suffix = PurePosixPath(normalised).suffix.lower()
    return normalised[: -len(suffix)] if suffix in SUFFIXES else normalised


class Lists:
    """The lists of a data folder: `splits` of its description, ``SPLIT.txt``, or the table ``meta.csv``.

    Args:
        root: the data folder.
        splits: the key `splits` of ``dataset.yaml``: for each split a list of stems, or a text file of them.
    """

    def __init__(self, root: Path, splits: Mapping[str, Any]) -> None:
        self.root = root
        self._splits = splits

    def read_lists(self) -> dict[str, list[str]]:
        """Names of images by split, from all sources.

        Raises:
            UserError: a list is malformed, two sources differ, or an image is listed twice.
        """
        ways = {
            "`splits` of dataset.yaml": self._read_description(),
            "the text files": self._read_files(),
            "meta.csv": self._read_table_lists(),
        }
        found: dict[str, tuple[str, list[str]]] = {}
        for way, lists in ways.items():
            for split, names in lists.items():
                before, other = found.setdefault(split, (way, names))
                if set(map(as_listed, names)) != set(map(as_listed, other)):
                    raise UserError(
                        f"{self.root} lists the split {split!r} in two ways that differ, in {before} and in {way}: remove one"
                    )
        lists = {split: names for split, (_, names) in found.items()}
        self._refuse_twice(lists)
        return lists

    def read_chosen(self) -> dict[str, list[str]]:
        """Names of images by split that are listed on purpose, beside folders of the splits; see `read_lists`."""
        return {**self._read_files(), **self._read_description()}

    def read_rows(self, split: str) -> dict[str, dict[str, str]]:
        """Columns of the table other than split and stem, by `as_listed` stem; empty where there is no table.

        Raises:
            UserError: the table is malformed, or an image is listed twice.
        """
        found: dict[str, dict[str, str]] = {}
        for row in self._read_table():
            if row["split"] != split:
                continue
            name = as_listed(row["stem"])
            if name in found:
                raise UserError(f"{self.root / 'meta.csv'} has two rows of {name!r} in the split {split!r}: remove one")
            found[name] = {column: value for column, value in row.items() if column not in ("split", "stem")}
        return found

    def _refuse_twice(self, lists: Mapping[str, list[str]]) -> None:
        for split, names in lists.items():
            repeated = sorted(name for name, times in Counter(map(as_listed, names)).items() if times > 1)
            if repeated:
                raise UserError(f"{self.root} lists {repeated[0]!r} twice in the split {split!r}: remove one")

    def _read_description(self) -> dict[str, list[str]]:
        return {split: self._read_stems(listed) for split, listed in self._splits.items()}

    def _read_files(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, split in SPLIT_NAMES.items():
            if (self.root / f"{name}.txt").is_file():
                if split in found:
                    raise UserError(
                        f"{self.root} holds two lists of the split {split!r}, {name}.txt among them: remove one"
                    )
                found[split] = self._read_stems(f"{name}.txt")
        return found

    def _read_table_lists(self) -> dict[str, list[str]]:
        lists: dict[str, list[str]] = {}
        for row in self._read_table():
            lists.setdefault(row["split"], []).append(self._require_inside(row["stem"]))
        return lists

    def _read_stems(self, listed: list[Any] | str) -> list[str]:
        """The stems of a list, or of the text file that it names."""
        if isinstance(listed, list):
            return [self._require_inside(self._as_text(stem)) for stem in listed]
        path = self.root / self._require_inside(listed)
        if not path.is_file():
            raise UserError(f"the list {path} does not exist: write it with a stem on each line")
        lines = read_text(path, "write it with a stem on each line", latin=True).split("\n")
        return [self._require_inside(line.strip()) for line in lines if line.strip()]

    def _as_text(self, stem: Any) -> str:
        if isinstance(stem, bool) or not isinstance(stem, str | int):
            raise UserError(
                f"{self.root / 'dataset.yaml'} lists {stem!r}, as YAML reads it: write names between quotes"
            )
        return str(stem)

    def _read_table(self) -> list[dict[str, str]]:
        """The rows of ``meta.csv``; none where there is no such file."""
        path = self.root / "meta.csv"
        if not path.is_file():
            return []
        columns, rows = read_csv(path, "write one with the columns split,stem", latin=True)
        normalised = {column: column.lower() if column.lower() in ("split", "stem") else column for column in columns}
        if not {"split", "stem"} <= set(normalised.values()):
            raise UserError(f"{path} lacks the columns split,stem: add them, or list the splits in dataset.yaml")
        return [self._check_row({normalised[column]: value for column, value in row.items()}, path) for row in rows]

    def _check_row(self, row: dict[str, str], path: Path) -> dict[str, str]:
        split = SPLIT_NAMES.get(row["split"].lower())
        if split is None:
            raise UserError(f"{path} has the unknown split {row['split'][:80]!r}: they are train, val, test")
        return {**row, "split": split}

    def _require_inside(self, name: str) -> str:
        """Return `name`, or refuse it where it could lead out of the data folder."""
        if leads_out(name):
            raise UserError(f"{self.root} lists {name!r}, which leads out of the folder: list stems inside it")
        return name
