"""The same in two splits, or twice in one: units, files, pixels, and pictures that look alike."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import get_args

from datamodules.base import SegmentationDataModule, Split
from datamodules.grouping import is_grouping_column
from datamodules.leaks import Leak, find_leaks, find_shared_images
from experiments.data_check.findings import Finding, Level, name_some
from experiments.data_check.near_duplicates import find_near
from experiments.data_check.scan import ScannedImage, ScannedSplit


def find_copies(data: SegmentationDataModule, splits: Mapping[str, ScannedSplit]) -> Iterator[Finding]:
    """What is in two splits, and what is twice in one."""
    leaks = find_leaks(data)
    for leak in leaks:
        yield _make_leak_finding(leak, data)
    for first, second in combinations(splits, 2):
        if data.test_is_val and (first, second) == ("val", "test"):
            continue
        known = {leak.splits for leak in leaks if leak.kind == "picture"}
        yield from _find_between((first, second), splits, data, (first, second) in known)
    for name, split in splits.items():
        yield from _find_within(name, split.readable)
    yield from _find_undeclared_units(data, splits)


def _make_leak_finding(leak: Leak, data: SegmentationDataModule) -> Finding:
    level: Level = "wrong" if data.leaks == "refuse" else "note"
    what = "units" if leak.kind == "unit" else "images"
    mend = (
        f"take these {what} out of {leak.splits[0]} or of {leak.splits[1]}; if it is meant: --data.init_args.leaks say"
    )
    return Finding(level, f"leak_{leak.kind}", leak.message, mend, leak.shared)


def _find_between(
    names: tuple[str, str], splits: Mapping[str, ScannedSplit], data: SegmentationDataModule, known: bool
) -> Iterator[Finding]:
    """Equal pixels, and pictures that look alike and are not equal."""
    first, second = (splits[name].readable for name in names)
    by_digest = {one.digest: one for one in second if not one.blank}
    equal = [(one.id, by_digest[one.digest].id) for one in first if one.digest in by_digest]
    leak = None if known else find_shared_images(names, equal, "pixels")
    if leak is not None:
        yield _make_leak_finding(leak, data)
    of_first, of_second = ([one.thumbnail for one in seen if one.thumbnail is not None] for seen in (first, second))
    near = [
        f"{first[one].id} ~ {second[other].id}"
        for one, other, _ in find_near(of_first, of_second)
        if first[one].digest != second[other].digest
    ]
    if near:
        yield Finding(
            "look",
            "near_duplicates",
            f"{len(near)} images of {names[0]!r} look like one of {names[1]!r}, perhaps turned, mirrored or written anew: "
            f"{name_some(near)}",
            "if they are the same pictures, keep them in one split",
            near,
        )


def _find_within(name: str, seen: list[ScannedImage]) -> Iterator[Finding]:
    same: dict[bytes, list[str]] = defaultdict(list)
    for one in seen:
        if not one.blank:
            same[one.digest].append(one.id)
    repeated = [" = ".join(ids) for ids in same.values() if len(ids) > 1]
    if repeated:
        says = f"{len(repeated)} pictures are more than once in {name!r}: {name_some(repeated)}"
        yield Finding("look", "repeated", says, "remove the others: each counts as an image of its own", repeated)


def _find_undeclared_units(data: SegmentationDataModule, splits: Mapping[str, ScannedSplit]) -> Iterator[Finding]:
    if data.unit is not None or data.sequence is not None:
        return
    rows = {
        name: data.read_meta(name) for name in get_args(Split) if splits.get(name) and splits[name].dataset is not None
    }
    columns = dict.fromkeys(column for table in rows.values() for row in table.values() for column in row)
    for column in columns:
        if not is_grouping_column(column):
            continue
        values = {name: {row.get(column, "") for row in table.values()} - {""} for name, table in rows.items()}
        shared = sorted({one for a, b in combinations(values, 2) for one in values[a] & values[b]})
        mend = f"--data.init_args.unit {column}"
        if shared:
            says = f"the column {column!r} of meta.csv has values in more than one split: {name_some(shared)}"
            mend += "   # if its images belong together: splits that share one are then refused"
            yield Finding("look", "unit_in_two_splits", says, mend, shared)
        elif any(len(values[name]) < len(rows[name]) for name in values):
            says = f"the column {column!r} of meta.csv groups images, and no `unit` is declared: intervals would be too narrow"
            yield Finding("note", "unit_not_declared", says, mend)
