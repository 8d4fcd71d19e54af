"""What the masks hold: classes that are missing, splits and images that are ignored."""

from collections.abc import Iterator, Mapping

import numpy as np

from datamodules.base import SegmentationDataModule
from experiments.data_check.findings import Finding, Level, name_some
from experiments.data_check.scan import ScannedSplit


def find_label_problems(data: SegmentationDataModule, splits: Mapping[str, ScannedSplit]) -> Iterator[Finding]:
    """What is wrong with the classes."""
    full = {name: split for name, split in splits.items() if split.readable}
    class_pixels = {name: split.count_pixels(data.num_classes) for name, split in full.items()}
    for name, pixels in class_pixels.items():
        yield from _find_ignored(name, pixels, full[name])
    nowhere = [
        one for number, one in enumerate(data.classes) if not sum(pixels[number] for pixels in class_pixels.values())
    ]
    if nowhere and any(pixels[:-1].any() for pixels in class_pixels.values()):
        says = f"no mask of any split holds a pixel of {name_some(nowhere)}"
        yield Finding(
            "look", "class_nowhere", says, "remove it from `classes`, or look whether its value is another", nowhere
        )
    for name, pixels in class_pixels.items():
        missing = [
            one
            for number, one in enumerate(data.classes)
            if not pixels[number] and one not in nowhere and pixels[:-1].any()
        ]
        if missing:
            yield _make_missing_finding(name, missing)


def _find_ignored(name: str, pixels: np.ndarray, split: ScannedSplit) -> Iterator[Finding]:
    empty = [one.id for one in split.readable if one.pixels is not None and not one.pixels[:-1].any()]
    if not pixels[:-1].any():
        says = (
            f"every pixel of the split {name!r} is ignored: nothing is learned from it, and there is nothing to score"
        )
        mend = "look whether `ignore_index` in dataset.yaml is the value of a class"
        yield Finding("wrong", "split_ignored", says, mend)
    elif empty:
        says = f"{len(empty)} images of {name!r} are ignored as a whole: {name_some(empty)}"
        yield Finding("look", "image_ignored", says, "remove them, or correct their masks", empty)


def _make_missing_finding(name: str, missing: list[str]) -> Finding:
    level: Level = "look"
    if name == "train":
        says = f"the split 'train' has no pixel of {name_some(missing)}, which other splits have: it cannot be learned"
    else:
        says = f"the split {name!r} has no pixel of {name_some(missing)}: no score of it tells anything there"
    return Finding(level, "class_missing", says, "divide the images so that each split has each class", missing)
