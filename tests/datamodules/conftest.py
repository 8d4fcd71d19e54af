"""Builders of tiny data sets, in the layouts of the real ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import torchvision_operators  # noqa: F401  (before a test imports Lightning, and with it torchvision)

SIZE = (40, 48)
Builder = Callable[..., Path]


def _write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array) if path.suffix == ".npy" else Image.fromarray(array).save(path)


def _draw(number: int, values: list[int], channels: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(number)
    image = rng.integers(0, 256, (*size, channels), dtype=np.uint8)
    return image[..., 0] if channels == 1 else image, rng.choice(np.array(values, np.uint8), size)


@pytest.fixture
def write() -> Callable[[Path, np.ndarray], None]:
    """Write one array as an image file or as .npy, by the extension."""
    return _write


@pytest.fixture
def folder(tmp_path: Path) -> Builder:
    """A folder data set of two images a split: `layout` split by folders, or flat."""

    def build(
        layout: str = "folders",
        values: tuple[int, ...] = (0, 1),
        bands: int = 3,
        extension: str = "png",
        sizes: tuple[tuple[int, int], ...] = (SIZE, SIZE),
        **description: Any,
    ) -> Path:
        root = tmp_path / "data"
        for split in ("train", "val", "test"):
            for number, size in enumerate(sizes):
                image, mask = _draw(number, list(values), bands, size)
                inside = root / split if layout == "folders" else root
                _write(inside / "images" / f"{split}_{number}.{extension}", image)
                _write(inside / "masks" / f"{split}_{number}.png", mask)
        described = {"num_classes": 2, "classes": {0: "background", 1: "thing"}, **description}
        if bands != 3:
            described.setdefault("channels", [f"band {number}" for number in range(bands)])
        (root / "dataset.yaml").write_text(yaml.safe_dump(described))
        return root

    return build


@pytest.fixture
def voc(tmp_path: Path) -> Builder:
    def build() -> Path:
        base = tmp_path / "voc" / "VOCdevkit" / "VOC2012"
        for split, names in {"train": ["2007_01", "2007_02"], "val": ["2007_03"]}.items():
            for number, name in enumerate(names):
                image, mask = _draw(number, [0, 5, 20, 255], 3, SIZE)
                _write(base / "JPEGImages" / f"{name}.jpg", image)
                coloured = Image.fromarray(mask, "P")
                coloured.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
                (base / "SegmentationClass").mkdir(exist_ok=True)
                coloured.save(base / "SegmentationClass" / f"{name}.png")
            (base / "ImageSets" / "Segmentation").mkdir(parents=True, exist_ok=True)
            (base / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
        return tmp_path / "voc"

    return build


@pytest.fixture
def cityscapes(tmp_path: Path) -> Builder:
    def build() -> Path:
        root = tmp_path / "cityscapes"
        for split, cities in {"train": ["bochum", "aachen"], "val": ["ulm"]}.items():
            for number, city in enumerate(cities):
                image, mask = _draw(number, [0, 4, 7, 23, 29, 33], 3, SIZE)
                name = f"{city}_000000_000019"
                _write(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", image)
                _write(root / "gtFine" / split / city / f"{name}_gtFine_labelIds.png", mask)
        return root

    return build


@pytest.fixture
def oxford_pet(tmp_path: Path) -> Builder:
    def build() -> Path:
        base = tmp_path / "pet" / "oxford-iiit-pet"
        names = {"trainval": [f"Birman_{number}" for number in range(20)], "test": ["pug_1", "pug_2"]}
        for split, listed in names.items():
            for number, name in enumerate(listed):
                image, mask = _draw(number, [1, 2, 3], 3, SIZE)
                _write(base / "images" / f"{name}.jpg", image if number else image[..., 0])
                _write(base / "annotations" / "trimaps" / f"{name}.png", mask)
            (base / "annotations" / f"{split}.txt").write_text("".join(f"{name} 1 1 1\n" for name in listed))
        return tmp_path / "pet"

    return build
