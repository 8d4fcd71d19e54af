"""The image files below a folder, one for each name, and the other files there."""

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from user_error import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".npy")
"""Suffixes of the files that are read."""

LITTER = ("__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found", "thumbs.db", "desktop.ini")
"""Files and folders that operating systems create; names that begin with a dot are ignored too."""


@dataclass
class FoundFiles:
    """The files below a folder.

    Args:
        folder: the folder that was searched.
        by_id: files that are read, by their path relative to the folder without suffix; see `as_id`.
        left_out: files that are not read, by their relative path.
        litter: number of ignored files and folders of the operating system.
    """

    folder: Path
    by_id: dict[str, Path] = field(default_factory=dict)
    left_out: dict[str, Path] = field(default_factory=dict)
    litter: int = 0

    @property
    def kinds_left_out(self) -> Counter[str]:
        """Number of files of each suffix that are not read."""
        return Counter(get_suffix(path) or "no suffix" for path in self.left_out.values())


def as_id(name: str) -> str:
    """Normalise the name of an image to composed Unicode characters (NFC), as most systems write them.

    A name that is not UTF-8 is decoded as Latin-1, in which every byte is a character.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        name = os.fsencode(name).decode("latin-1")
    return unicodedata.normalize("NFC", name)


def get_suffix(path: Path) -> str:
    """The suffix of a file in lower case; both parts of one such as ``.nii.gz``."""
    last = path.suffix.lower()
    return "".join(path.suffixes[-2:]).lower() if last in (".gz", ".bz2", ".xz") else last


def leads_out(name: str) -> bool:
    """Whether a name that a list has of a file could lead out of its folder, on any system."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    return not name or posix.is_absolute() or bool(windows.drive or windows.root) or ".." in windows.parts


def find_read_suffix(path: Path) -> str | None:
    """The suffix of a file that is read as an image of a data set; `None` of another."""
    suffix = get_suffix(path)
    return suffix if suffix in SUFFIXES else None


def find_files(
    folder: Path,
    find_suffix: Callable[[Path], str | None] = find_read_suffix,
    problems: dict[Path, str] | None = None,
) -> FoundFiles:
    """Find the image files below a folder, in the order of their names; links to folders are followed.

    Args:
        folder: that is searched.
        find_suffix: returns what ends the name of a file that is read, in lower case, and `None` for another file.
        problems: where it is given, a broken link and a file of a name that was met before are left out and told in it.

    Raises:
        UserError: the folder does not exist or cannot be searched, or a file has one of these problems.
    """

    def complain(path: Path, problem: str) -> None:
        if problems is None:
            raise UserError(problem)
        problems[path] = problem

    if not folder.is_dir():
        raise UserError(f"the folder {folder} does not exist: create it, or correct the root of the data")
    found = FoundFiles(folder)
    for path in sorted(_walk(folder, found, frozenset())):
        ending = find_suffix(path)
        suffix = get_suffix(path) if ending is None else ending
        relative = path.relative_to(folder).as_posix()
        name = as_id(relative[: len(relative) - len(suffix)])
        if ending is None:
            found.left_out[name + suffix] = path
            continue
        if not path.is_file():
            complain(path, f"{path} is a link to {os.readlink(path)!r}, which does not exist: mend or remove the link")
        elif name in found.by_id:
            complain(path, f"{found.by_id[name]} and {path} have the same name: remove or rename one of them")
        else:
            found.by_id[name] = path
    return found


def _walk(folder: Path, found: FoundFiles, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    """Iterate over the files below `folder`, counting ignored ones; a link to a parent folder is not followed."""
    try:
        here, entries = os.stat(folder), sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be searched ({error.strerror}): make it readable") from error
    within = above | {(here.st_dev, here.st_ino)}
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in LITTER:
            found.litter += 1
        elif entry.is_dir():
            inside = os.stat(entry.path)
            if (inside.st_dev, inside.st_ino) not in within:
                yield from _walk(Path(entry.path), found, within)
        elif entry.is_file() or entry.is_symlink():
            yield Path(entry.path)
