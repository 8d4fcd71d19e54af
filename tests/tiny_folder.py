"""A folder data set of noise, where a recipe expects a real one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml
from PIL import Image


def make_tiny_folder(root: Path, classes: int, names: Sequence[str] | None = None) -> Path:
    """Three images of 48 x 64 in each split, and their dataset.yaml; the names of the classes say their ids by default."""
    random = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for kind, shape, levels in (("images", (48, 64, 3), 256), ("masks", (48, 64), classes)):
            folder = root / split / kind
            folder.mkdir(parents=True)
            for number in range(3):
                Image.fromarray(random.integers(0, levels, shape, dtype=np.uint8)).save(folder / f"{number}.png")
    (root / "dataset.yaml").write_text(
        yaml.safe_dump({"classes": list(names or (f"class {k}" for k in range(classes)))})
    )
    return root
