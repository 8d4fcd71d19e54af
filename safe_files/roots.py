"""Where data sets and weights lie: below the folders that the environment names, or below ``data/`` and ``weights/``.

Recipes write ``data/camvid`` and ``weights/encoder.safetensors`` and thus name no folder of one machine. A path that
begins with one of these two words is looked up here, and every other path is used unchanged. Variables within a path are
not expanded.
"""

import os
from pathlib import Path

DATA = "ROBUST_SEGMENTATION_DATA"
"""Environment variable: the folder that holds the data sets, in place of ``data/``."""

WEIGHTS = "ROBUST_SEGMENTATION_WEIGHTS"
"""Environment variable: the folder that holds files of weights, in place of ``weights/``."""

CHECKOUT = Path(__file__).resolve().parent.parent
"""The root of the repository, unless this is an installed copy."""


def find_data(root: str | Path) -> Path:
    """The folder of a data set; in the path `root`, a leading ``data/`` stands for the folder of all data sets."""
    return _find(Path(root), "data", DATA).expanduser()


def find_weights(path: str | Path) -> Path:
    """A file of weights; in `path`, a leading ``weights/`` stands for the folder of all weights."""
    return _find(Path(path), "weights", WEIGHTS)


def _find(given: Path, folder: str, variable: str) -> Path:
    if given.parts[:1] != (folder,) or ".." in given.parts:
        return given
    named = os.environ.get(variable)
    if named:
        return Path(named).expanduser().joinpath(*given.parts[1:])
    in_checkout = (CHECKOUT / "pyproject.toml").is_file() and not given.exists()
    return CHECKOUT / given if in_checkout else given
