"""Tables of Hugging Face data sets in local folders: Arrow files of `save_to_disk`, Parquet files, and image folders.

They are read by pyarrow alone. Nothing in them is unpickled, no code is taken from a folder, and no cell names a file outside.
"""

import json
import os
import re
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datamodules.reading.embedded import EmbeddedFile
from datamodules.reading.found_files import leads_out
from datamodules.reading.lists import SPLIT_NAMES
from plain_values import find_problem, show
from safe_files.array_file import LARGEST
from safe_files.csv_file import read_csv
from safe_files.json_file import read_json_object
from safe_files.text import read_text
from user_error import UserError, shorten

REMEDY = "write it anew with the library datasets"
ALL = "all"
"""Name of the split of a data set that names none."""

METADATA = ("metadata.csv", "metadata.jsonl")
"""Tables of an image folder; ``metadata.parquet`` is read as one, too."""


def find_tables(root: Path) -> dict[str, list[Path]]:
    """The files of tables in a folder, by the name of their split in the data set.

    Splits are those of ``dataset_dict.json``, or told by the names of files and folders as on the hub: ``train/0.parquet``,
    ``data/train-00000-of-00002.parquet``.

    Raises:
        UserError: the folder does not exist or holds no table, or a list of its files is malformed or leads out of it.
    """
    if not root.is_dir():
        raise UserError(f"the data folder {root} does not exist: set --data.init_args.root to yours")
    if (root / "dataset_dict.json").is_file():
        names = read_json_object(root / "dataset_dict.json", REMEDY).get("splits")
        if not isinstance(names, list) or not all(isinstance(name, str) and not leads_out(name) for name in names):
            raise UserError(f"{root / 'dataset_dict.json'} has the splits {show(names)}: {REMEDY}")
        return {name: _read_state(root / name) for name in names}
    if (root / "state.json").is_file():
        return {ALL: _read_state(root)}
    for kinds in (("*.parquet",), ("*.arrow",), METADATA):
        found: dict[str, list[Path]] = {}
        for path in sorted({path for kind in kinds for path in root.rglob(kind)}):
            if not any(part.startswith(".") for part in path.relative_to(root).parts):
                found.setdefault(_tell_split(path.relative_to(root)), []).append(path)
        if found:
            return found
    raise UserError(
        f"{root} holds no table: set --data.init_args.root to a folder that save_to_disk wrote, of Parquet files, or of images "
        f"with {METADATA[0]}"
    )


def _read_state(folder: Path) -> list[Path]:
    """The files of a split that `save_to_disk` wrote."""
    path = folder / "state.json"
    if not path.is_file():
        raise UserError(f"{path} does not exist: {REMEDY}")
    listed = read_json_object(path, REMEDY).get("_data_files")
    names = (
        [one.get("filename") if isinstance(one, dict) else None for one in listed] if isinstance(listed, list) else []
    )
    if not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path} has the files {show(listed)}: {REMEDY}")
    for name in names:
        if leads_out(str(name)):
            raise UserError(f"{path} lists {show(name)}, which leads out of the folder: {REMEDY}")
        if not (folder / str(name)).is_file():
            raise UserError(f"{path} lists {show(name)}, which does not exist: complete the data set")
    return [folder / str(name) for name in names]


def _tell_split(path: Path) -> str:
    """The split that a file's name says, or a folder's above it."""
    for part in (path.stem, *reversed(path.parts[:-1])):
        words = re.split(r"[^a-z]+", part.lower())
        found = [word for word in words if word in SPLIT_NAMES]
        if found:
            return found[0]
    return ALL


class TableFile:
    """A file of a table, of which single rows are read.

    Args:
        path: of an Arrow, Parquet, CSV or JSON Lines file.

    Raises:
        UserError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.schema: pa.Schema = self._try(lambda: _read_schema(_open(*_identify(path))))
        self.rows: int = self._try(lambda: _count_rows(_open(*_identify(path))))

    @property
    def features(self) -> Mapping[str, Any]:
        """What the library `datasets` says of the columns; nothing where it did not write the file."""
        try:
            content = json.loads((self.schema.metadata or {}).get(b"huggingface", b"{}"))
            features = content["info"]["features"] if not find_problem(content) else {}
        except (ValueError, KeyError, TypeError, RecursionError):
            return {}
        return features if isinstance(features, dict) else {}

    def require_columns(self, names: Sequence[str]) -> None:
        """Refuse a table without some columns.

        Raises:
            UserError: it lacks one.
        """
        for name in names:
            if name not in self.schema.names:
                raise UserError(
                    f"{self.path} has no column {name!r}: its columns are "
                    f"{', '.join(map(str, self.schema.names[:20]))}; name yours by the settings image, mask, unit, ..."
                )

    def read_texts(self) -> dict[str, list[str]]:
        """The columns of texts, numbers and truth values, as texts; an empty one where nothing is."""
        plain = [field.name for field in self.schema if _is_plain(field.type)]
        table = self._try(lambda: _read_columns(_open(*_identify(self.path)), plain))
        return {name: ["" if value is None else str(value) for value in table[name].to_pylist()] for name in plain}

    def read_cell(self, row: int, column: str) -> EmbeddedFile | np.ndarray | str:
        """An image: the bytes of a file, an array, or the name of a file.

        Raises:
            UserError: there is none, or the table is damaged.
        """
        where = f"{self.path} (row {row}, column {column!r})"
        scalar = self._try(lambda: _read_scalar(_identify(self.path), row, column))
        value = scalar.as_py() if not pa.types.is_list(scalar.type) and not _is_large_list(scalar.type) else scalar
        if isinstance(value, dict):
            value = value.get("bytes") if value.get("bytes") is not None else value.get("path")
        if value is None:
            raise UserError(
                f"{where} holds no image: choose splits whose images have masks by --data.init_args.splits, such as {{train: "
                "train, val: validation, test: validation}"
            )
        if isinstance(value, bytes):
            return EmbeddedFile(value, where)
        if isinstance(value, str):
            return value
        if isinstance(value, pa.Scalar):
            return self._try(lambda: _as_array(value))
        raise UserError(f"{where} holds a {scalar.type}, which is no image: name the column of images")

    def _try(self, read: Any) -> Any:
        try:
            return read()
        except UserError:
            raise
        except Exception as error:  # damaged tables fail in many ways
            raise UserError(f"the table {self.path} cannot be read ({shorten(error)}): get it anew") from error


def _is_plain(kind: pa.DataType) -> bool:
    return any(
        is_one(kind)
        for is_one in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_integer,
            pa.types.is_floating,
            pa.types.is_boolean,
        )
    )


def _is_large_list(kind: pa.DataType) -> bool:
    return pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind) or isinstance(kind, pa.BaseExtensionType)


def _identify(path: Path) -> tuple[Path, int, int]:
    """A file and its content, as far as its size and time say."""
    state = os.stat(path)
    return path, state.st_size, state.st_mtime_ns


@lru_cache(maxsize=256)
def _open(path: Path, size: int, time: int) -> pa.Table | pq.ParquetFile:
    """A table: of Arrow files mapped into memory, of Parquet files the header alone."""
    if path.suffix == ".parquet":
        return pq.ParquetFile(path, memory_map=True)
    if path.suffix == ".csv":
        names, rows = read_csv(path, "write a table with the columns file_name, ...", latin=True)
        return pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in names})
    if path.suffix == ".jsonl":
        return _read_lines(path)
    source = pa.memory_map(str(path))
    try:
        table = pa.ipc.open_stream(source).read_all()
    except pa.ArrowInvalid:
        table = pa.ipc.open_file(source).read_all()
    table.validate(full=True)  # offsets of a damaged or forged file could point anywhere
    return table


def _read_lines(path: Path) -> pa.Table:
    """The texts and numbers of a JSON Lines file, as texts."""
    lines = [json.loads(line) for line in read_text(path, "write an object on each line").splitlines() if line.strip()]
    if not lines or not all(isinstance(line, dict) and not find_problem(line) for line in lines):
        raise ValueError("no JSON object on each line")
    plain = [name for name in lines[0] if all(isinstance(line.get(name), str | int | float | None) for line in lines)]
    cells = {name: [None if line.get(name) is None else str(line[name]) for line in lines] for name in plain}
    return pa.table({name: pa.array(values, pa.string()) for name, values in cells.items()})


def _read_schema(table: pa.Table | pq.ParquetFile) -> pa.Schema:
    return table.schema_arrow if isinstance(table, pq.ParquetFile) else table.schema


def _count_rows(table: pa.Table | pq.ParquetFile) -> int:
    return table.metadata.num_rows if isinstance(table, pq.ParquetFile) else table.num_rows


def _read_columns(table: pa.Table | pq.ParquetFile, columns: list[str]) -> pa.Table:
    return table.read(columns, use_threads=False) if isinstance(table, pq.ParquetFile) else table.select(columns)


def _read_scalar(file: tuple[Path, int, int], row: int, column: str) -> pa.Scalar:
    table = _open(*file)
    if isinstance(table, pa.Table):
        return table[column][row]
    group, first = 0, 0
    while row >= first + table.metadata.row_group(group).num_rows:
        first += table.metadata.row_group(group).num_rows
        group += 1
    with _LOCK:
        return _read_group(*file, group, column)[row - first]


@lru_cache(maxsize=4)
def _read_group(path: Path, size: int, time: int, group: int, column: str) -> pa.ChunkedArray:
    """A column of a group of rows of a Parquet file: those of images and of masks of two groups are kept."""
    table = _open(path, size, time)
    needed = table.metadata.row_group(group).total_byte_size
    if needed > LARGEST:
        raise ValueError(f"its row group {group} has {needed} bytes; write it with fewer rows in each")
    return table.read_row_group(group, [column], use_threads=False)[column]


def _as_array(scalar: pa.Scalar) -> np.ndarray:
    """Nested lists of equal lengths as an array."""
    if isinstance(scalar, pa.ExtensionScalar):
        scalar = scalar.value
    values, shape = scalar.values, []
    while True:
        if isinstance(values, pa.ExtensionArray):
            values = values.storage
        shape.append(len(values))
        if not (
            pa.types.is_list(values.type)
            or pa.types.is_large_list(values.type)
            or pa.types.is_fixed_size_list(values.type)
        ):
            break
        if values.null_count or len(set(values.value_lengths().to_pylist())) != 1:
            raise ValueError("lists of different lengths, which are no image")
        values = values.flatten()
    sides = [side // before for before, side in zip([1, *shape[:-1]], shape, strict=True)]
    if values.null_count:
        raise ValueError("an image with missing levels")
    return values.to_numpy(zero_copy_only=False).reshape(sides)


_LOCK = threading.Lock()


def _forget() -> None:
    """Begin anew in a forked process, which must not share open files and locks."""
    global _LOCK
    _LOCK = threading.Lock()
    _open.cache_clear()
    _read_group.cache_clear()


os.register_at_fork(after_in_child=_forget)
