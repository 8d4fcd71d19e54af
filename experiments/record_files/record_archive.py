"""Records in a zip of somebody else's: files of two kinds under names of ours, bounded in number and size."""

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from experiments.record_files.record_tree import make_file_name
from user_error import UserError, shorten

ENDINGS = (".json", ".npz")
MOST_FILES = 2000
LARGEST = 2 * 2**30
"""Bytes of all its files together."""

PIECE = 2**20


@contextmanager
def unpack_records(path: Path) -> Iterator[list[Path]]:
    """The JSON files of a zip in a folder that is there for a while, with the array files that lie beside them.

    Nothing is written under a name that the zip states: each of its folders gets a number, and names lose what leads
    elsewhere.

    Raises:
        UserError: it is no zip, is encrypted or damaged, or holds links or more than is allowed.
    """
    with TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                yield _unpack(archive, Path(folder), path)
        except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, RuntimeError) as error:
            raise UserError(
                f"{str(path)!r} is no zip that can be read ({shorten(error)}): pass the record itself"
            ) from error


def _unpack(archive: zipfile.ZipFile, folder: Path, path: Path) -> list[Path]:
    entries = [one for one in archive.infolist() if not one.is_dir()]
    total = sum(one.file_size for one in entries)
    if len(entries) > MOST_FILES or total > LARGEST:
        raise UserError(
            f"{str(path)!r} unpacks to {len(entries)} files of {total} bytes together: pass at most {MOST_FILES} files of "
            f"{LARGEST // 2**30} GiB"
        )
    numbers: dict[PurePosixPath, int] = {}
    found: list[Path] = []
    for one in entries:
        if stat.S_ISLNK(one.external_attr >> 16) or one.flag_bits & 1:
            raise UserError(
                f"{str(path)!r} holds a link, or an encrypted file ({one.filename!r}): pass the records themselves"
            )
        inside = PurePosixPath(one.filename.replace("\\", "/"))
        if inside.suffix not in ENDINGS:
            continue
        number = numbers.setdefault(inside.parent, len(numbers))
        target = folder / str(number) / (make_file_name(inside.stem) + inside.suffix)
        if target.exists():
            raise UserError(f"{str(path)!r} holds {one.filename!r} twice: pass the records themselves")
        target.parent.mkdir(exist_ok=True)
        _copy(archive, one, target)
        found += [target] if inside.suffix == ".json" else []
    return found


def _copy(archive: zipfile.ZipFile, one: zipfile.ZipInfo, target: Path) -> None:
    """Copy a file, no further than to the size that it states."""
    left = one.file_size
    with archive.open(one) as source, target.open("wb") as file:
        while piece := source.read(PIECE):
            left -= len(piece)
            if left < 0:
                raise zipfile.BadZipFile(f"{one.filename!r} is larger than it says")
            file.write(piece)
