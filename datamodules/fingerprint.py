"""Fingerprints of data, by which resumed work detects that the data have changed."""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor
from tqdm import tqdm

from datamodules.dataset import SegmentationDataset

READERS = 8
"""Number of threads that read files; they mostly wait for the disk."""

UNSETTLED = 2_000_000_000  # ns; the coarsest clock of a file system in use ticks every two seconds
DEEPEST = 8
"""Largest depth of nested objects that is traversed, since objects may refer to one another."""

PLAIN = bool | int | float | str | None
LABELS = {"meta": "the rows of meta.csv", "ids": "the list of images"}


class FileState(NamedTuple):
    """Digest of a file's content, with size and times that tell without reading it whether the file is unchanged.

    The time of the last change of the file's metadata (``ctime_ns``) cannot be set back, unlike that of its content. Both
    times are 0 for a file that was written so recently that a further change might not alter them.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    sha256: str


@dataclass(frozen=True)
class Fingerprint:
    """Content of a split: its settings and files.

    Args:
        settings: every setting that changes a pixel or a label, or a digest of it where it is long.
        files: every file that is read, by its path relative to the root of the data.
    """

    settings: dict[str, Any]
    files: dict[str, FileState]

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON; the inverse of `from_json`."""
        return {"settings": self.settings, "files": {name: list(state) for name, state in self.files.items()}}

    @classmethod
    def from_json(cls, content: Any) -> "Fingerprint | None":
        """The fingerprint that `as_json` wrote; `None` for any other content."""
        try:
            files = {str(name): FileState(*state) for name, state in content["files"].items()}
            settings = {str(name): value for name, value in content["settings"].items()}
        except (TypeError, KeyError, AttributeError):
            return None
        valid = all(
            isinstance(state.sha256, str) and all(type(n) is int for n in state[:3]) for state in files.values()
        )
        return cls(settings, files) if valid else None

    @property
    def content(self) -> dict[str, dict[str, Any]]:
        """Settings and the digest of each file: independent of where the files lie and when they were written."""
        return {"settings": self.settings, "files": {name: state.sha256 for name, state in self.files.items()}}

    @property
    def sha256(self) -> str:
        """Digest of `content`."""
        return _compute_digest([self.settings, self.content["files"]])

    def find_difference_from(self, before: "Fingerprint") -> str | None:
        """Describe the first difference from an earlier fingerprint; see `find_difference`."""
        return find_difference(before.content, self.content)


def find_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Describe what changed between two contents, such as ``'test/masks/a.png' changed``; `None` where nothing did.

    Args:
        before: earlier content; see `Fingerprint.content`.
        now: current content.
    """
    files, known = now["files"], before["files"]
    gone, new = known.keys() - files.keys(), files.keys() - known.keys()
    changed = {name for name in files.keys() - new if files[name] != known[name]}
    several = len(gone | new | changed) > 1
    for names, happened in ((changed, "changed"), (gone, "is gone"), (new, "is new")):
        if names:
            first = f"{min(names)!r} {happened}"
            return f"{len(gone | new | changed)} files differ, the first: {first}" if several else first
    for key in sorted(before["settings"].keys() | now["settings"].keys()):
        if before["settings"].get(key) != now["settings"].get(key):
            return f"{LABELS.get(key, f'the setting {key!r}')} changed"
    return None


def take_fingerprint(
    settings: Mapping[str, Any], dataset: SegmentationDataset, root: Path | None, known: Fingerprint | None = None
) -> Fingerprint:
    """The fingerprint of a data set, from its public attributes.

    Args:
        settings: further settings that change a pixel or a label.
        dataset: each `Path` in its attributes, and each text that is the path of a file, is read; all else is a setting.
        root: the folder to which paths are relative, so that the data may move; their common folder if `None`.
        known: an earlier fingerprint; files with unchanged size and times are not read again.

    Raises:
        OSError: a file cannot be read.
    """
    public = {name: value for name, value in _unfold(_get_public(dataset)).items() if name != "ids"}
    paths = sorted(set(_find_paths(public)))
    if root is None:
        root = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    described = {key: _describe(value, root) for key, value in {**settings, "ids": list(dataset.ids)}.items()}
    described |= {f"dataset.{name}" if name in described else name: _describe(public[name], root) for name in public}
    named = {_make_relative(path, root): path for path in paths}
    return Fingerprint(
        {key: _shorten(described[key]) for key in sorted(described)}, _read_states(named, known.files if known else {})
    )


def _unfold(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes, with each data class replaced by its fields, so that a changed field is named."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        parts = (
            {f"{name}.{part}": one for part, one in _get_public(value).items()}
            if is_dataclass(value)
            else {name: value}
        )
        found |= parts
    return found


def _get_public(value: Any) -> dict[str, Any]:
    return {name: part for name, part in getattr(value, "__dict__", {}).items() if not name.startswith("_")}


def _is_file(value: Any) -> bool:
    if isinstance(value, str):
        return os.sep in value and os.path.isfile(value)
    return isinstance(value, Path) and value.is_file()


def _find_paths(value: Any, depth: int = DEEPEST) -> Iterable[Path]:
    """All files to which a value refers, at any depth up to `DEEPEST`."""
    if _is_file(value):
        yield Path(value)
        return
    parts: Iterable[Any] = ()
    if isinstance(value, Mapping):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        parts = value
    elif not isinstance(value, PLAIN | Path) and not callable(value):
        parts = _get_public(value).values()
    for part in parts if depth else ():
        yield from _find_paths(part, depth - 1)


def _make_relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _describe(value: Any, root: Path, depth: int = DEEPEST) -> Any:
    """A value as JSON: paths relative to `root`, arrays by a digest of their content, objects by their attributes."""
    if isinstance(value, Path) or _is_file(value):
        return _make_relative(Path(value), root)
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Tensor | np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        return [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
    if isinstance(value, Mapping):
        return {str(key): _describe(part, root, depth - 1) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_describe(part, root, depth - 1) for part in value]
    if isinstance(value, set | frozenset):
        return sorted((_describe(part, root, depth - 1) for part in value), key=repr)
    name = getattr(value, "__qualname__", type(value).__qualname__)
    if callable(value) or depth <= 0:
        return name
    return [name, _describe(_get_public(value), root, depth - 1)]


def _compute_digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _shorten(value: Any) -> Any:
    return value if len(json.dumps(value)) <= 200 else f"sha256:{_compute_digest(value)}"


def _read_states(named: Mapping[str, Path], known: Mapping[str, FileState]) -> dict[str, FileState]:
    """The states of files by name, read by several threads, with a progress bar where that takes long."""
    with ThreadPoolExecutor(READERS) as pool:
        states = pool.map(lambda name: _read_state(named[name], known.get(name)), named)
        shown = tqdm(states, total=len(named), unit="file", desc="reading the data", delay=3, leave=False)
        return dict(zip(named, shown, strict=True))


def _read_state(path: Path, known: FileState | None) -> FileState:
    """The state of a file; its digest is computed unless size and times are those of `known`."""
    seen = _read_times(os.stat(path))
    if known is not None and known[:3] == seen:
        return known
    with path.open("rb") as file:
        before, now = _read_times(os.fstat(file.fileno())), time.time_ns()
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        settled = before == _read_times(os.fstat(file.fileno())) and max(before[1:]) < now - UNSETTLED
    return FileState(*before, digest) if settled else FileState(before[0], 0, 0, digest)


def _read_times(entry: os.stat_result) -> tuple[int, int, int]:
    return entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns
