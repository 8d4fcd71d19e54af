"""A folder that is written as a whole, and replaced only where all in it is what was written before."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safe_files.json_file import read_json_object
from user_error import UserError

LISTED = "files"
"""The entry of the folder's index that lists its files: SHA-256 by their paths."""


def write_own_folder(folder: Path, contents: Mapping[str, bytes], index: str, described: Mapping[str, Any]) -> None:
    """Write a folder of its own: it appears with all its files, or stays as it was.

    Args:
        folder: that is made, or replaced.
        contents: of the files, by their relative paths.
        index: name of a JSON file in it that lists the others; by it the next call knows its own.
        described: further entries of the index.

    Raises:
        UserError: there is something in the folder that no call wrote, or that was changed since.
        OSError: the folder cannot be written.
    """
    require_own(folder, index)
    listed = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(contents.items())}
    text = json.dumps({**described, LISTED: listed}, indent=1, ensure_ascii=False) + "\n"
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for path, content in {**contents, index: text.encode()}.items():
            target = made / "new" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        if os.path.lexists(folder):
            folder.rename(made / "old")
        try:
            (made / "new").rename(folder)
        except OSError:
            if (made / "old").exists():
                (made / "old").rename(folder)
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def require_own(folder: Path, index: str) -> None:
    """Refuse a folder with something that `write_own_folder` did not write.

    Raises:
        UserError: there is such a thing; it is named.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise UserError(f"{str(folder)!r} is no folder: pass another --output")
    entries = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
    if not entries:
        return
    if not (folder / index).is_file():
        raise UserError(
            f"{str(folder)!r} holds files that this verb did not write ({entries[0].name!r} among them): pass a folder of its "
            "own as --output"
        )
    remedy = "remove the folder, or pass another --output"
    listed = read_json_object(folder / index, remedy).get(LISTED)
    for path in entries:
        name = path.relative_to(folder).as_posix()
        known = listed.get(name) if isinstance(listed, dict) else None
        if name != index and (path.is_symlink() or known != _digest(path)):
            what = "is not among" if known is None else "was changed since it was written, unlike"
            raise UserError(f"{str(path)!r} {what} the files that this verb wrote to {str(folder)!r}: {remedy}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
