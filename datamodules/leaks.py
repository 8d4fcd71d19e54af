"""Data leaks between splits, as far as they show without decoding all images: shared files and units, such as patients."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from datamodules.dataset import SegmentationDataset
from datamodules.image_files import ImageFiles
from user_error import UserError

if TYPE_CHECKING:
    from datamodules.base import SegmentationDataModule

HEAD = 65536
"""Bytes at the beginning of a file that are compared before complete files."""


class Leak(NamedTuple):
    """Units or images that two splits share.

    Args:
        kind: "unit", or "picture" for files and pixels.
        splits: names of the two splits.
        shared: names of the shared units, or of the shared images in both splits.
        message: a sentence without a remedy.
    """

    kind: str
    splits: tuple[str, str]
    shared: list[str]
    message: str


def find_leaks(data: "SegmentationDataModule") -> list[Leak]:
    """Find the units and image files that two splits share; only files of equal size are read.

    A split that cannot be listed is skipped; its error is raised where it is used. Images of one constant level are equal
    without being a leak.
    """
    datasets = _list_splits(data)
    pairs = [two for two in combinations(datasets, 2) if not (data.test_is_val and two == ("val", "test"))]
    units = {split: set(found) for split in datasets if (found := _read_units(data, split))}
    leaks = [find_shared_units(two, units, str(data.unit)) for two in pairs if two[0] in units and two[1] in units]
    files = {split: dict(_list_images(dataset)) for split, dataset in datasets.items()}
    return [leak for leak in (*leaks, *(_find_shared_files(two, files, datasets) for two in pairs)) if leak is not None]


def require_apart(leaks: Iterable[Leak]) -> None:
    """Refuse splits with leaks.

    Raises:
        UserError: there is a leak.
    """
    for leak in leaks:
        raise UserError(
            f"{leak.message}, so that scores would tell what was learned by heart: take {_name_shared(leak)} out of one of both, "
            "or pass --data.init_args.leaks say to go on all the same"
        )


def find_shared_units(splits: tuple[str, str], units: Mapping[str, set[str]], column: str) -> Leak | None:
    """The units of which both splits have images."""
    shared = sorted(units[splits[0]] & units[splits[1]])
    if not shared:
        return None
    number = f"{len(shared)} of the units ({column})" if len(shared) > 1 else f"a unit ({column})"
    return Leak("unit", splits, shared, f"{number} in {_name_splits(splits)}: {_list_first(shared)}")


def find_shared_images(splits: tuple[str, str], shared: list[tuple[str, str]], how: str) -> Leak | None:
    """The images that both splits contain.

    Args:
        splits: names of the splits.
        shared: names of each image in both splits.
        how: what was compared: "files" or "pixels".
    """
    if not shared:
        return None
    names = [first if first == second else f"{first} = {second}" for first, second in shared]
    number = f"{len(names)} images" if len(names) > 1 else "an image"
    return Leak("picture", splits, names, f"{number} in {_name_splits(splits)}, by their {how}: {_list_first(names)}")


def is_blank(image: np.ndarray) -> bool:
    """Whether each channel of an image (H, W, C) is constant; such images may be equal by chance."""
    return bool((image == image[:1, :1]).all())


def _name_splits(splits: tuple[str, str]) -> str:
    return f"the splits {splits[0]!r} and {splits[1]!r} alike"


def _name_shared(leak: Leak) -> str:
    what = "unit" if leak.kind == "unit" else "image"
    return f"these {what}s" if len(leak.shared) > 1 else f"this {what}"


def _list_first(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(repr, names[:3])) + more


def _list_splits(data: "SegmentationDataModule") -> dict[str, SegmentationDataset]:
    from datamodules.base import Split

    found: dict[str, SegmentationDataset] = {}
    for split in get_args(Split):
        try:
            found[split] = data.open_split(split)
        except Exception:  # of any kind: a training may never use the split
            continue
    return found


def _read_units(data: "SegmentationDataModule", split: str) -> list[str] | None:
    try:
        return data.list_units(split)  # type: ignore[arg-type]
    except UserError:
        return None


def _list_images(dataset: SegmentationDataset) -> Iterable[tuple[str, Path]]:
    return [(one.id, one.image) for one in dataset.pairs] if isinstance(dataset, ImageFiles) else []


def _find_shared_files(
    splits: tuple[str, str], files: Mapping[str, dict[str, Path]], datasets: Mapping[str, SegmentationDataset]
) -> Leak | None:
    equal = find_equal_files(files[splits[0]], files[splits[1]])
    dataset = datasets[splits[0]]
    return find_shared_images(splits, [two for two in equal if _shows_something(dataset, two[0])], "files")


def _shows_something(dataset: SegmentationDataset, name: str) -> bool:
    """Whether an image can be read and has more than one level."""
    assert isinstance(dataset, ImageFiles)
    try:
        return not is_blank(dataset.images.read(dataset.pairs[dataset.ids.index(name)].image))
    except UserError:  # raised again where the image is used; placeholders, for example, are all equal
        return False


def find_equal_files(first: Mapping[str, Path], second: Mapping[str, Path]) -> list[tuple[str, str]]:
    """Pairs of names of files with the same content, in the order of the first set.

    Sizes are compared first, then the beginnings of files, then all bytes, so that different files are hardly read.
    """
    left: dict[str, tuple[Hashable, ...]] = dict.fromkeys(first, ())
    right: dict[str, tuple[Hashable, ...]] = dict.fromkeys(second, ())
    for measure in (_read_size, _hash_head, _hash_file):
        left = {name: (*key, _measure(measure, first[name])) for name, key in left.items()}
        right = {name: (*key, _measure(measure, second[name])) for name, key in right.items()}
        both = set(left.values()) & set(right.values())
        left = {name: key for name, key in left.items() if key in both}
        right = {name: key for name, key in right.items() if key in both}
    named: dict[tuple[Hashable, ...], list[str]] = defaultdict(list)
    for name, key in right.items():
        named[key].append(name)
    return [(name, other) for name, key in left.items() for other in named[key]]


def _measure(measure: Callable[[Path], Hashable], path: Path) -> Hashable:
    try:
        return measure(path)
    except OSError:  # equal to no other
        return path, object()


def _read_size(path: Path) -> int:
    return path.stat().st_size


def _hash_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.blake2b(file.read(HEAD), digest_size=16).digest()


def _hash_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()
