"""A folder of photographs of several sizes, as a test split of five classes."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZES = [(96, 72), (64, 64), (72, 96), (96, 72), (50, 130)]
"""(width, height)."""


def make_photographs(root: Path) -> Path:
    """Write images, masks and dataset.yaml below `root`."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (root / "test" / kind).mkdir(parents=True)
    for place, size in enumerate(SIZES):
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        image = small.resize(size, Image.Resampling.BICUBIC)
        image.save(root / f"test/images/{place}.png")
        Image.fromarray(np.asarray(image.convert("L")) // 52).save(root / f"test/masks/{place}.png")
    (root / "dataset.yaml").write_text("classes: [background, stripes_blob, dots_bar, ripples_star, marble_ring]\n")
    return root


def name_photographs(folder: Path) -> list[str]:
    """The options of a verb for them, at 64 x 64."""
    settings = {"root": folder, "size": "[64,64]", "num_workers": 0, "eval_batch_size": 2}
    options = [f"--data.init_args.{key}={value}" for key, value in settings.items()]
    return ["--data=datamodules.datasets.folder.FolderDataModule", *options]
