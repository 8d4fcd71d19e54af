"""What a command may write over: what this project wrote, and nothing that a user would miss."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.files.whole import require_writable, whole_file
from user_error import UserError

SOFTWARE = "robust-segmentation"
"""Named in the pictures that commands draw, by which they are known again."""

DRAWN = (SOFTWARE.encode(), b"Matplotlib v")
"""One of these stands in a picture of ours; figures of earlier versions say with what they were drawn."""

NO_TEXT = {
    *(".json", ".yaml", ".yml", ".npz", ".npy", ".ckpt", ".pt", ".pth", ".safetensors", ".onnx", ".py", ".ipynb"),
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".svg", ".pdf"),
}
"""Of files that hold something else than a table."""


def require_picture(path: Path, suffixes: tuple[str, ...] = (".png",)) -> None:
    """Refuse to draw over a picture that was not drawn here, such as an image of the data.

    Raises:
        UserError: it is one, or its name does not end as a picture's.
        OSError: it cannot be written.
    """
    if path.suffix.lower() not in suffixes:
        raise UserError(f"the picture {str(path)!r} must be named {' or '.join(f'*{one}' for one in suffixes)}")
    if path.is_file() and not any(mark in path.read_bytes() for mark in DRAWN):
        raise UserError(
            f"{str(path)!r} is there and was not drawn by this command: name another file, since that is never overwritten"
        )
    require_writable(path)


def require_json(path: Path, is_ours: Callable[[Any], bool], what: str) -> None:
    """Refuse to write over JSON of another kind, such as a record.

    Args:
        path: to be written.
        is_ours: whether content may be replaced.
        what: is written.

    Raises:
        UserError: it holds something else, or is not named ``*.json``.
        OSError: it cannot be written.
    """
    if path.suffix.lower() != ".json":
        raise UserError(f"the file {str(path)!r} of {what} must be named *.json")
    if path.is_file():
        try:
            ours = is_ours(json.loads(path.read_bytes()))
        except (ValueError, RecursionError):
            ours = False
        if not ours:
            raise UserError(
                f"{str(path)!r} is there and holds no {what}: name another file, since that is never overwritten"
            )
    require_writable(path)


def require_text(path: Path) -> None:
    """Refuse to write a table over data, a picture, a network or a record.

    Raises:
        UserError: it is there and named like one, or is JSON of an object, as records are.
    """
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in NO_TEXT:
        return
    if suffix == ".json" and not path.read_bytes().lstrip().startswith(b"{"):
        return
    raise UserError(f"{str(path)!r} is there and is no table: name another file, since that is never overwritten")


def say(text: str, path: Path | None) -> None:
    """Print a text, and write it to `path` as well where one is given.

    Raises:
        UserError: see `require_text`.
        OSError: `path` cannot be written.
    """
    print(text, end="")
    if path is not None:
        require_text(path)
        with whole_file(path) as file:
            file.write(text)
