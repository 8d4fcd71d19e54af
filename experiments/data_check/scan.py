"""Every image of every split, decoded once by several threads: what its files are, and what its pixels hold."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
from tqdm import tqdm

from datamodules.base import SegmentationDataModule
from datamodules.cases import CaseSlices
from datamodules.dataset import IGNORED, Sample, SegmentationDataset
from datamodules.image_files import ImageFiles
from datamodules.leaks import is_blank
from datamodules.reading.decoding import open_header, read_orientation, read_rawmodes
from experiments.data_check.near_duplicates import shrink
from safe_files.array_file import read_header
from user_error import UserError

THREADS = min(8, os.cpu_count() or 1)
"""Decoders release the interpreter lock, so that threads run in parallel."""

BITS = {"1": "1 bit", "I": "32 bit", "F": "32-bit float"}
PALETTES, ALPHAS = ("P", "PA"), ("LA", "La", "PA", "RGBA", "RGBa")


@dataclass(frozen=True)
class FileFacts:
    """What the header of a file says.

    Args:
        kind: format, colours and depth in words, such as "JPEG RGB".
        orientation: tag; 1 is upright.
    """

    kind: str = ""
    orientation: int = 1


@dataclass(frozen=True)
class ScannedImage:
    """What was measured of one image."""

    id: str
    image: FileFacts = FileFacts()
    mask: FileFacts = FileFacts()
    size: tuple[int, int] = (0, 0)  # height, width
    pixels: np.ndarray | None = None  # (K + 1,) of each class, the ignored last
    digest: bytes = b""  # of the decoded image
    thumbnail: np.ndarray | None = None  # (17, 17) float32
    blank: bool = False  # one level in each channel
    clipped: float = 0.0  # fraction of the levels that are 0 or 255
    error: str = ""  # why it cannot be read


@dataclass
class ScannedSplit:
    """All images of a split.

    Args:
        dataset: of the split; `None` where it is refused.
        refused: why it cannot be listed, or why its files do not go together.
    """

    dataset: SegmentationDataset | None = None
    refused: str = ""
    images: list[ScannedImage] = field(default_factory=list)

    @property
    def readable(self) -> list[ScannedImage]:
        """The images that could be read."""
        return [one for one in self.images if not one.error]

    def count_pixels(self, classes: int) -> np.ndarray:
        """Pixels (K + 1,) of each class, the ignored last."""
        return sum((one.pixels for one in self.readable if one.pixels is not None), np.zeros(classes + 1, np.int64))

    def count_kinds(self, of_masks: bool) -> Counter[str]:
        """How many files of which kind."""
        return Counter(facts.kind for one in self.images if (facts := one.mask if of_masks else one.image).kind)


def scan(data: SegmentationDataModule, splits: Mapping[str, ScannedSplit]) -> None:
    """Read all images of the splits; a bar shows how far it is."""
    tasks = [(split, number) for split in splits.values() for number in range(_count_images(split.dataset))]
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda task: scan_image(task[0].dataset, task[1], data), tasks)
        shown = tqdm(found, total=len(tasks), unit="image", desc="reading", delay=1)
        for (split, _), seen in zip(tasks, shown, strict=True):
            split.images.append(seen)


def list_splits(data: SegmentationDataModule, names: Sequence[str]) -> dict[str, ScannedSplit]:
    """The splits, each with its files or the reason why there are none; nothing is decoded but what must agree."""
    found: dict[str, ScannedSplit] = {}
    for name in names:
        split = found[name] = ScannedSplit()
        try:
            split.dataset = data.make_dataset(name)  # type: ignore[arg-type]
            split.dataset.prepare()
        except UserError as error:
            split.refused = str(error)
    return found


def scan_image(dataset: SegmentationDataset | None, number: int, data: SegmentationDataModule) -> ScannedImage:
    """One image, read as a training would read it."""
    assert dataset is not None
    name, image, mask = dataset.ids[number], FileFacts(), FileFacts()
    try:
        if isinstance(dataset, ImageFiles):
            pair = dataset.pairs[number]
            image, mask = read_facts(pair.image), read_facts(pair.mask)
        elif isinstance(dataset, CaseSlices):
            image, mask = (FileFacts(kind) for kind in dataset.describe_files(number))
        sample = read_sample(dataset, number)
    except UserError as error:
        return ScannedImage(name, image, mask, error=str(error))
    levels, classes = sample["image"], sample["mask"]
    counts = np.bincount(classes.ravel(), minlength=256)
    return ScannedImage(
        id=name,
        image=image,
        mask=mask,
        size=(levels.shape[0], levels.shape[1]),
        pixels=np.append(counts[: data.num_classes], counts[IGNORED]).astype(np.int64),
        digest=blake2b(repr(levels.shape).encode() + np.ascontiguousarray(levels).tobytes(), digest_size=16).digest(),
        thumbnail=shrink(levels),
        blank=is_blank(levels),
        clipped=float(np.isin(levels, (0, 255)).mean()),
    )


def read_sample(dataset: SegmentationDataset, number: int) -> Sample:
    """A sample read alone, without the checks of what all files must have in common, so that one bad file hides no other.

    Raises:
        UserError: it cannot be read.
    """
    if isinstance(dataset, ImageFiles):
        return ImageFiles([dataset.pairs[number]], dataset.masks, dataset.images)[0]
    return dataset[number]


def read_facts(path: Path) -> FileFacts:
    """What the header of a file says; nothing of one that cannot be read."""
    try:
        if path.suffix.lower() == ".npy":
            header = read_header(path)
            return FileFacts(f"NPY {header.dtype} x {header.shape[2] if len(header.shape) == 3 else 1}")
        with open_header(path) as picture:
            kind = f"{picture.format} {_describe_colours(picture.mode, read_rawmodes(picture))}"
            return FileFacts(kind, read_orientation(picture))
    except Exception:  # decoders raise many kinds; the sentence comes from reading
        return FileFacts()


def _describe_colours(mode: str, rawmodes: str) -> str:
    if mode in PALETTES:
        return "palette" + " with alpha" * (mode in ALPHAS)
    for bits in (2, 4):
        if f"'L;{bits}" in rawmodes:
            return f"grey {bits} bit"
    if mode.startswith("I;16"):
        return "grey 16 bit"
    name = {
        "L": "grey",
        "LA": "grey with alpha",
        "La": "grey with alpha",
        "RGBA": "RGB with alpha",
        "RGBa": "RGB with alpha",
    }
    return f"grey {BITS[mode]}" if mode in BITS else name.get(mode, mode)


def _count_images(dataset: SegmentationDataset | None) -> int:
    return 0 if dataset is None else len(dataset)
