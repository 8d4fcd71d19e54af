"""Folders that ``save_pretrained`` wrote: their configuration, and which files hold the weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safe_files.json_file import read_json_object
from user_error import UserError

CONFIG = "config.json"
SAFE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = "pytorch_model.bin"
PICKLED_INDEX = "pytorch_model.bin.index.json"
REMEDY = "pass a folder that save_pretrained wrote, or a repository of the hub"
CODE = ("auto_map", "custom_pipelines", "trust_remote_code")
"""Keys by which a repository brings code of its own."""


def read_config(folder: Path, name: str = CONFIG) -> dict[str, Any]:
    """The configuration in a folder.

    Raises:
        UserError: there is none, it is no JSON, or it asks for code of the repository.
    """
    path = folder / name
    if not path.is_file():
        raise UserError(f"{str(folder)!r} has no {name}: {REMEDY}")
    found = read_json_object(path, REMEDY)
    require_no_code(found, str(path))
    return found


def require_no_code(config: Any, where: str) -> None:
    """Refuse a configuration that names code of its repository, at any depth.

    Raises:
        UserError: it does.
    """
    if isinstance(config, Mapping):
        key = next((one for one in CODE if config.get(one)), None)
        if key is not None:
            raise UserError(
                f"{where} asks for code of its repository ({key}): it was refused, since such code runs on your machine; pass "
                "a network whose class is the library's own, or export it as ONNX"
            )
    for one in config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ():
        require_no_code(one, where)


def find_weights(folder: Path) -> list[Path]:
    """The files of weights in a folder: safetensors, else a PyTorch file.

    Raises:
        UserError: there are none, or the index of several names a file outside of the folder.
    """
    if (folder / SAFE).is_file():
        return [folder / SAFE]
    if (folder / INDEX).is_file():
        paths = [folder / name for name in list_shards(folder)]
        missing = next((path for path in paths if not path.is_file()), None)
        if missing is not None:
            raise UserError(
                f"{str(folder)!r} lacks {missing.name}, a part of its weights: copy all files of the repository"
            )
        return paths
    if (folder / PICKLED).is_file():
        return [folder / PICKLED]
    if (folder / PICKLED_INDEX).is_file():
        raise UserError(f"{str(folder)!r} has its weights in several pickled parts: {CONVERT_FIRST}")
    raise UserError(f"{str(folder)!r} has no weights ({SAFE} or {PICKLED}): copy all files of the repository")


CONVERT_FIRST = "save it once more by save_pretrained(folder, safe_serialization=True)"


def list_shards(folder: Path) -> list[str]:
    """The names of the parts in the index of a folder.

    Raises:
        UserError: the index is none, or a name is no plain name of a safetensors file.
    """
    index = read_json_object(folder / INDEX, REMEDY)
    parts = index.get("weight_map")
    if not isinstance(parts, dict) or not parts or not all(isinstance(name, str) for name in parts.values()):
        raise UserError(f"{str(folder / INDEX)!r} lists no parts of the weights: {REMEDY}")
    names = sorted(set(parts.values()))
    wrong = next((name for name in names if not _is_plain(name)), None)
    if wrong is not None:
        raise UserError(
            f"{str(folder / INDEX)!r} names the file {wrong[:80]!r}, no safetensors file of its own folder: it was refused"
        )
    return names


def _is_plain(name: str) -> bool:
    return name == Path(name).name and "\\" not in name and "\0" not in name and name.endswith(".safetensors")
