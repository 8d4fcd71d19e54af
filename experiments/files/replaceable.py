"""Checks of what a command may overwrite: files that this project wrote, and nothing else of the user's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.files.atomic_write import atomic_write, require_writable
from user_error import UserError

SOFTWARE = "robust-segmentation"
"""Software name in the metadata of the pictures that commands draw, by which these are recognised."""

DRAWN = (SOFTWARE.encode(), b"Matplotlib v")
"""Marks of a picture that this project drew; figures of earlier versions name the library that drew them."""

NON_TABLE_SUFFIXES = {
    *(".json", ".yaml", ".yml", ".npz", ".npy", ".ckpt", ".pt", ".pth", ".safetensors", ".onnx", ".py", ".ipynb"),
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".svg", ".pdf"),
}
"""Suffixes of files that hold something else than a table."""


def require_picture(path: Path, suffixes: tuple[str, ...] = (".png",)) -> None:
    """Refuse to overwrite a picture that this project did not draw, such as an image of the data.

    Raises:
        UserError: `path` is such a picture, or its suffix is not that of a picture.
        OSError: `path` cannot be written.
    """
    if path.suffix.lower() not in suffixes:
        raise UserError(f"the picture {str(path)!r} must be named {' or '.join(f'*{one}' for one in suffixes)}")
    if path.is_file() and not any(mark in path.read_bytes() for mark in DRAWN):
        raise UserError(
            f"{str(path)!r} is there and was not drawn by this command: name another file, since that is never overwritten"
        )
    require_writable(path)


def require_marked(path: Path, mark: bytes, what: str) -> None:
    """Refuse to overwrite a file that does not hold what this command writes.

    Args:
        path: of the file to write.
        mark: that every such file holds.
        what: name of the content, for the message.

    Raises:
        UserError: `path` holds something else.
        OSError: `path` cannot be written.
    """
    if path.is_file() and mark not in path.read_bytes():
        raise _make_refusal(path, what)
    require_writable(path)


def require_json(path: Path, is_replaceable: Callable[[Any], bool], what: str) -> None:
    """Refuse to overwrite JSON of another kind, such as a record.

    Args:
        path: of the file to write.
        is_replaceable: whether parsed content may be overwritten.
        what: name of the content, for the message.

    Raises:
        UserError: `path` holds something else, or is not named ``*.json``.
        OSError: `path` cannot be written.
    """
    if path.suffix.lower() != ".json":
        raise UserError(f"the file {str(path)!r} of {what} must be named *.json")
    if path.is_file():
        try:
            replaceable = is_replaceable(json.loads(path.read_bytes()))
        except (ValueError, RecursionError):
            replaceable = False
        if not replaceable:
            raise _make_refusal(path, what)
    require_writable(path)


def _make_refusal(path: Path, what: str) -> UserError:
    return UserError(f"{str(path)!r} is there and holds no {what}: name another file, since that is never overwritten")


def require_text(path: Path) -> None:
    """Refuse to overwrite data, a picture, a network or a record with a table.

    Raises:
        UserError: `path` exists and has the suffix of one, or is JSON of an object, as records are.
    """
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in NON_TABLE_SUFFIXES:
        return
    if suffix == ".json" and not path.read_bytes().lstrip().startswith(b"{"):
        return
    raise UserError(f"{str(path)!r} is there and is no table: name another file, since that is never overwritten")


def print_and_save(text: str, path: Path | None) -> None:
    """Print a text, and write it to `path` as well where one is given.

    Raises:
        UserError: see `require_text`.
        OSError: `path` cannot be written.
    """
    print(text, end="")
    if path is not None:
        require_text(path)
        with atomic_write(path) as file:
            file.write(text)
