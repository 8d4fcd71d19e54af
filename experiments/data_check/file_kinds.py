"""What the files are: unreadable ones, kinds that differ, orientation tags, sizes, and files that are not read at all."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from datamodules.aspect import describe_framing
from datamodules.base import SegmentationDataModule
from datamodules.datasets.folder import FolderDataModule
from datamodules.image_files import ImageFiles
from datamodules.reading.found_files import find_files
from experiments.data_check.findings import Finding, name_some
from experiments.data_check.scan import ScannedSplit
from user_error import UserError

CLIPPED = 0.9
"""Smallest fraction of clipped levels (0 or 255) for which an image is reported."""

MOST_NAMED = 20
"""Files that a line names."""


def find_file_problems(data: SegmentationDataModule, splits: Mapping[str, ScannedSplit]) -> Iterator[Finding]:
    """What is wrong with the files, split by split, and over all of them."""
    yield from _find_unreadable(splits)
    for name, split in splits.items():
        if not split.refused and not split.images:
            yield Finding(
                "wrong", "empty", f"the split {name!r} holds no image", "add images, or correct its list", [name]
            )
    yield from find_left_out(data, [name for name, split in splits.items() if split.dataset is not None])
    yield from _find_kinds(splits)
    yield from _find_turned(splits)
    yield from _find_sizes(data, splits)
    yield from _find_blank(data, splits)
    if isinstance(data, FolderDataModule):
        yield from _find_in_no_split(data, splits)


def _find_blank(data: SegmentationDataModule, splits: Mapping[str, ScannedSplit]) -> Iterator[Finding]:
    blank = [f"{name}/{one.id}" for name, split in splits.items() for one in split.readable if one.blank]
    clipped = [f"{name}/{one.id}" for name, split in splits.items() for one in split.readable if one.clipped >= CLIPPED]
    window = data.reading.window
    seen = "" if window is None else f" by the window [{window[0]:g}, {window[1]:g}]"
    mend = (
        "remove them, or write them anew"
        if window is None
        else "window: [low, high]   # in dataset.yaml, levels that occur"
    )
    if blank and len(blank) == sum(len(split.readable) for split in splits.values()):
        says = f"every image has one level in each channel{seen} and shows nothing"
        yield Finding("wrong", "all_blank", says, mend, blank)
        return
    if blank:
        says = f"{len(blank)} images have one level in each channel{seen} and show nothing: {name_some(blank)}"
        yield Finding("look", "blank", says, mend, blank)
    if window is not None and len(clipped) > len(blank):
        says = (
            f"of {len(clipped)} images {CLIPPED:.0%} of the levels or more lie beyond the window: {name_some(clipped)}"
        )
        yield Finding("look", "clipped", says, mend, clipped)


def _find_in_no_split(data: FolderDataModule, splits: Mapping[str, ScannedSplit]) -> Iterator[Finding]:
    """Images that lie beside those of lists."""
    listed = [split.dataset for split in splits.values() if isinstance(split.dataset, ImageFiles)]
    if data.where or not listed or any(split.refused for split in splits.values()):
        return
    naming = data.description.naming
    if not (data.root / naming.image_folder).is_dir():
        return
    images = find_files(data.root / naming.image_folder)
    masks = images if naming.image_folder == naming.mask_folder else find_files(data.root / naming.mask_folder)
    there, _ = naming.split(images, masks)
    used = {pair.image for dataset in listed for pair in dataset.pairs}
    left = sorted(name for name, path in there.items() if path not in used)
    if left and len(left) < len(there):
        says = f"{len(left)} images are in no split: {name_some(left)}"
        yield Finding("look", "in_no_split", says, "add them to the lists, or remove them", left)


def _find_unreadable(splits: Mapping[str, ScannedSplit]) -> Iterator[Finding]:
    """One finding for each reason, which names all images, or splits, that it holds for."""
    images = [(f"{name}/{one.id}", one.error) for name, split in splits.items() for one in split.images if one.error]
    errors = {error for _, error in images}
    refused = [(name, split.refused) for name, split in splits.items() if split.refused and split.refused not in errors]
    for kind, found in (("unreadable", images), ("refused", refused)):
        reasons: dict[str, list[tuple[str, str]]] = {}
        for name, error in found:
            known = next((key for key, alike in reasons.items() if alike[0][1] == error), None)
            reasons.setdefault(known or _remove_names(error, name.partition("/")), []).append((name, error))
        for alike in reasons.values():
            others = [name for name, _ in alike[1:]]
            more = f"the same of {len(others)} more: {name_some(others, MOST_NAMED)}" if others else ""
            yield Finding("wrong", kind, alike[0][1], more, [name for name, _ in alike])


def _remove_names(error: str, names: Sequence[str]) -> str:
    """An error message without the paths, names and numbers that differ between files."""
    remaining = re.sub(r"\S*[/\\]\S*", "", error)
    for name in names:
        remaining = remaining.replace(repr(name), "") if len(name) < 3 else remaining.replace(name, "")
    return re.sub(r"\d+", "0", remaining)


def find_left_out(data: SegmentationDataModule, splits: Sequence[str]) -> Iterator[Finding]:
    """Files in the folders of a data folder that are of no kind that is read; nothing is opened."""
    if not isinstance(data, FolderDataModule):
        return
    naming = data.description.naming
    places = {data.find_folder(name) or data.root for name in splits}  # type: ignore[arg-type]
    kinds: Counter[str] = Counter()
    litter = 0
    for folder in {place / part for place in places for part in (naming.image_folder, naming.mask_folder)}:
        try:
            found = find_files(folder)
        except UserError:
            continue
        kinds += found.kinds_left_out
        litter += found.litter
    if kinds:
        told = ", ".join(f"{times} of {kind}" for kind, times in kinds.most_common())
        says = f"{sum(kinds.values())} files beside the images and masks are not read ({told})"
        yield Finding("look", "left_out", says, "convert them if they are images, or move them out of the folders")
    if litter:
        yield Finding(
            "note", "litter", f"{litter} files that systems leave in folders, such as .DS_Store, are passed over"
        )


def _find_kinds(splits: Mapping[str, ScannedSplit]) -> Iterator[Finding]:
    for what, of_masks in (("images", False), ("masks", True)):
        kinds: Counter[str] = sum((split.count_kinds(of_masks) for split in splits.values()), Counter())
        if len(kinds) < 2:
            continue
        told = ", ".join(f"{times} {kind}" for kind, times in kinds.most_common())
        odd = kinds.most_common()[-1][0]
        where = [
            f"{name}/{one.id}"
            for name, split in splits.items()
            for one in split.images
            if (one.mask if of_masks else one.image).kind == odd
        ]
        says = f"the {what} are of several kinds ({told}); of the rarest: {name_some(where)}"
        yield Finding("note", f"kinds_of_{what}", says, where=where)


def _find_turned(splits: Mapping[str, ScannedSplit]) -> Iterator[Finding]:
    for what, of_masks in (("images", False), ("masks", True)):
        turned = [
            f"{name}/{one.id}"
            for name, split in splits.items()
            for one in split.images
            if (one.mask if of_masks else one.image).orientation != 1
        ]
        if turned:
            says = f"{len(turned)} {what} have an orientation tag, which is obeyed, as viewers do: {name_some(turned)}"
            mend = "orientation: stored   # in dataset.yaml, only if the contact sheet shows masks that lie beside their objects"
            yield Finding("look", f"orientation_of_{what}", says, mend, turned)


def _find_sizes(data: SegmentationDataModule, splits: Mapping[str, ScannedSplit]) -> Iterator[Finding]:
    sizes = Counter(one.size for split in splits.values() for one in split.readable)
    if not sizes:
        return
    smallest, largest = min(sizes, key=_compute_area), max(sizes, key=_compute_area)
    if len(sizes) > 1 and data.size is None:
        says = f"the images have {len(sizes)} sizes, from {_as_text(smallest)} to {_as_text(largest)}, and batches need one"
        common = max(sizes, key=lambda size: sizes[size])
        yield Finding("look", "sizes", says, f"--data.init_args.size [{common[0]},{common[1]}]   # height, width")
    elif data.size is not None:
        says = describe_framing([size for size, times in sizes.items() for _ in range(times)], data.size, data.aspect)
        if says:
            yield Finding("look", "aspect", says, "choose a `size` of the aspect of the images, or keep theirs")


def _compute_area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _as_text(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
