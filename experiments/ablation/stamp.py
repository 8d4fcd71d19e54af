"""What a trial was made of, so that one that is done is not taken for another."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.files.digest import sha256
from experiments.files.whole import whole_file
from safe_files.json_file import read_json_object
from safe_files.text import read_text
from user_error import UserError

WORD = re.compile(r"[^\s\"'\[\]{},:]+")
"""Of a YAML; one that ends like a file's name is the path of another, relative to its folder."""

REMEDY = "the stamp of the trial is damaged: remove it with its folder, or pass another --output"


def write_stamp(path: Path, arguments: Mapping[str, Any]) -> None:
    """Write down the arguments of a trial, and the digests of all files that they lead to."""
    with whole_file(path) as file:
        json.dump(_stamp(arguments), file, indent=2)


def changes(path: Path, arguments: Mapping[str, Any]) -> list[str]:
    """The options and files that differ from those at `path`; all where there is no stamp."""
    before = read_json_object(path, REMEDY) if path.exists() else {}
    found = []
    for part, now in _stamp(arguments).items():
        known = before.get(part, {})
        if not isinstance(known, dict):
            raise UserError(f"{path} says no {part}: {REMEDY}")
        found += [key for key in now.keys() | known.keys() if now.get(key) != known.get(key)]
    return sorted(found)


def _stamp(arguments: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    files: dict[str, str] = {}
    for value in arguments.values():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                _add_files(Path(one), files)
    return {"arguments": dict(arguments), "files": files}


def _add_files(path: Path, files: dict[str, str]) -> None:
    """The digest of a file, and of those that a YAML leads on to."""
    name = os.path.normpath(path)
    if name in files or not path.is_file():
        return
    files[name] = sha256(path)
    if path.suffix in (".yaml", ".yml"):
        for further in WORD.findall(read_text(path, "name a YAML of settings")):
            if further.endswith((".yaml", ".yml")):
                _add_files(path.parent / further, files)
