"""The tables of a data set: what each split holds, and the share of each class."""

from collections import Counter
from collections.abc import Mapping

from datamodules.base import SegmentationDataModule
from experiments.data_check.scan import ScannedSplit
from experiments.files.tables import format_percent, make_markdown_table

MOST_KINDS = 4
"""Kinds or sizes that a cell names."""


def describe_splits(data: SegmentationDataModule, splits: Mapping[str, ScannedSplit]) -> str:
    """Two tables, a column for each split."""
    rows = [
        ["images", *(str(len(split.images)) for split in splits.values())],
        ["unreadable", *(str(len(split.images) - len(split.readable)) for split in splits.values())],
        ["kinds of images", *(_format_counts(split.count_kinds(False)) for split in splits.values())],
        ["kinds of masks", *(_format_counts(split.count_kinds(True)) for split in splits.values())],
        ["height x width", *(_format_counts(_count_sizes(split)) for split in splits.values())],
    ]
    pixels = {name: split.count_pixels(data.num_classes) for name, split in splits.items()}
    sums = {name: int(found.sum()) for name, found in pixels.items()}
    counted = {name: int(found[:-1].sum()) for name, found in pixels.items()}
    classes = [
        [f"{number} {title}", *(_format_ratio(int(pixels[name][number]), counted[name]) for name in splits)]
        for number, title in enumerate(data.classes)
    ]
    classes.append(["ignored (of all)", *(_format_ratio(int(pixels[name][-1]), sums[name]) for name in splits)])
    left = tuple(range(len(splits) + 1))
    first = make_markdown_table(["", *splits], rows, left)
    second = make_markdown_table(["share of pixels in %", *splits], classes, (0,))
    return f"{first}\n{second}"


def _count_sizes(split: ScannedSplit) -> Counter[str]:
    return Counter(f"{one.size[0]} x {one.size[1]}" for one in split.readable)


def _format_counts(found: Counter[str]) -> str:
    parts = [f"{times} {what}" if len(found) > 1 else what for what, times in found.most_common(MOST_KINDS)]
    more = [f"{len(found) - MOST_KINDS} more"] if len(found) > MOST_KINDS else []
    return ", ".join(parts + more) or "-"


def _format_ratio(part: int, total: int) -> str:
    return "-" if not part else format_percent(part / total) if part / total >= 0.0005 else "< 0.1"
