"""What a trial was made of, so that one that is done is not taken for another."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.files.digest import sha256
from experiments.files.whole import whole_file

NAMED = re.compile(r"[^\s\"'\[\]{},:]+\.ya?ml")
"""The path of a YAML within another one, relative to its folder."""


def write_stamp(path: Path, arguments: Mapping[str, Any]) -> None:
    """Write down the arguments of a trial, and the digests of all files that they lead to."""
    with whole_file(path) as file:
        json.dump(_stamp(arguments), file, indent=2)


def changes(path: Path, arguments: Mapping[str, Any]) -> list[str]:
    """The options and files that differ from those at `path`; all where there is no stamp."""
    before = json.loads(path.read_text()) if path.exists() else {}
    found = []
    for part, now in _stamp(arguments).items():
        known = before.get(part, {})
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
        for further in NAMED.findall(path.read_text()):
            _add_files(path.parent / further, files)
