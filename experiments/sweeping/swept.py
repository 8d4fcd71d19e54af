"""The counts of a sweep, assembled from those of its batches on disk."""

import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.evaluation.scores.base import Counts
from experiments.record_files.record_file import find_integer_type
from user_error import UserError

SUM, IMAGE = "sum_", "image_"
CHANGED = "changed"
"""How the arrays of sums over images, and those of single images, are named."""

BLOCK = 2**25
"""Bytes of counts that are buffered before they are written to their places."""


@dataclass(frozen=True)
class Swept:
    """The counts of some images of a sweep, in the order of their index."""

    index: np.ndarray  # (N,) int64
    digests: list[str]  # of the pixels of each image and mask
    sums: dict[str, np.ndarray]  # states of `SweepCounts`, (conditions, ...) int64
    counts: Counts  # of each image by name, (N, conditions, ...) of integers
    changed: np.ndarray  # (conditions,) number of images that are not as they are clean

    @property
    def totals(self) -> Counts:
        """All counts by name, summed up over the images, (conditions, ...)."""
        return {**self.sums, **{name: part.sum(0) for name, part in self.counts.items()}}


def assemble(batches: Callable[[], Iterator[Mapping[str, np.ndarray]]], folder: Path) -> Swept:
    """The sum of batches, images in the order of their index.

    Sums are added up one by one: those of all batches together, at 150 classes, are tens of gigabytes. The counts of
    images lie in files without a name, which go with the process, however it ends.

    Args:
        batches: their arrays, each time it is called: once for what they hold, once to put it into place.
        folder: where there is room for the counts of all images.

    Raises:
        OSError: there is no room.
    """
    sums: dict[str, np.ndarray] = {}
    index: list[np.ndarray] = []
    digests: list[str] = []
    shapes: dict[str, tuple[int, ...]] = {}
    types: dict[str, np.dtype] = {}
    for arrays in batches():
        index.append(arrays["index"])
        digests += [str(digest) for digest in arrays["digests"]]
        for key in arrays:
            if key == CHANGED or key.startswith(SUM):
                name, part = key.removeprefix(SUM), arrays[key]
                sums[name] = sums[name] + part if name in sums else part
            elif key.startswith(IMAGE):
                part = arrays[key]
                shapes[key] = part.shape[1:]
                types[key] = np.promote_types(types.get(key, np.int32), find_integer_type(part))
    changed = sums.pop(CHANGED)
    order = np.argsort(np.concatenate(index), kind="stable")
    placed = {key: _allocate_on_disk((len(order), *shapes[key]), types[key], folder) for key in shapes}
    _fill(placed, batches(), np.argsort(order))
    return Swept(
        index=np.concatenate(index)[order],
        digests=[digests[at] for at in order],
        sums=sums,
        changed=changed,
        counts={key.removeprefix(IMAGE): part for key, part in placed.items()},
    )


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Swept:
    """The counts of one file, in memory."""
    return Swept(
        index=arrays["index"],
        digests=[str(digest) for digest in arrays["digests"]],
        sums={key.removeprefix(SUM): arrays[key] for key in arrays if key.startswith(SUM)},
        counts={key.removeprefix(IMAGE): arrays[key] for key in arrays if key.startswith(IMAGE)},
        changed=arrays[CHANGED],
    )


def join(parts: Sequence[Swept]) -> Swept:
    """The counts of several batches under the same conditions, images in the order of the batches."""
    return Swept(
        index=np.concatenate([part.index for part in parts]),
        digests=[digest for part in parts for digest in part.digests],
        sums={name: np.sum([part.sums[name] for part in parts], axis=0) for name in parts[0].sums},
        counts={name: np.concatenate([part.counts[name] for part in parts]) for name in parts[0].counts},
        changed=np.sum([part.changed for part in parts], axis=0),
    )


def sort(swept: Swept) -> Swept:
    """The counts of a batch with its images in the order of their index."""
    order = np.argsort(swept.index, kind="stable")
    return replace(
        swept,
        index=swept.index[order],
        digests=[swept.digests[at] for at in order],
        counts={name: part[order] for name, part in swept.counts.items()},
    )


def insert(stateless: Swept, stateful: Mapping[int, Swept], folder: Path) -> Swept:
    """The counts of all conditions, in the order of the suite.

    Args:
        stateless: counts of the conditions that are applied batch by batch, images in the order of their index.
        stateful: counts of the others, by their place in the suite; their images are in the same order.
        folder: where there is room for the counts of all images.

    Raises:
        UserError: a condition did not meet each image once.
        OSError: there is no room.
    """
    if not stateful:
        return stateless
    for place, one in stateful.items():
        if not np.array_equal(one.index, stateless.index):
            raise UserError(f"the condition {place} of {folder} did not meet each image once: pass --restart")
    number = len(stateless.changed) + len(stateful)
    others = [place for place in range(number) if place not in stateful]

    def merge(common: np.ndarray, own: Callable[[Swept], np.ndarray]) -> np.ndarray:
        merged = np.zeros((number, *common.shape[1:]), np.int64)
        merged[others] = common
        for place, one in stateful.items():
            merged[place] = own(one)[0]
        return merged

    counts = {}
    for name, common in stateless.counts.items():
        placed = _allocate_on_disk((len(common), number, *common.shape[2:]), np.int64, folder)
        for row, place in enumerate(others):
            placed[:, place] = common[:, row]
        for place, one in stateful.items():
            placed[:, place] = one.counts[name][:, 0]
        counts[name] = placed
    return Swept(
        index=stateless.index,
        digests=stateless.digests,
        sums={name: merge(part, partial(_find_sums, name)) for name, part in stateless.sums.items()},
        counts=counts,
        changed=merge(stateless.changed, lambda one: one.changed),
    )


def _find_sums(name: str, swept: Swept) -> np.ndarray:
    return swept.sums[name]


def _fill(placed: Mapping[str, np.ndarray], batches: Iterator[Mapping[str, np.ndarray]], places: np.ndarray) -> None:
    """Put the counts of images in their places, many batches at a time: neighbours on disk are images of one condition."""
    buffered: dict[str, list[np.ndarray]] = {key: [] for key in placed}
    start = stop = size = 0
    for arrays in batches:
        for key, parts in buffered.items():
            parts.append(arrays[key])
            size += parts[-1].nbytes
        stop += len(arrays["index"])
        if size > BLOCK or stop == len(places):
            for key, parts in buffered.items():
                placed[key][places[start:stop]] = np.concatenate(parts)
                release(placed[key])
                parts.clear()
            start, size = stop, 0


def _allocate_on_disk(shape: tuple[int, ...], kind: Any, folder: Path) -> np.ndarray:
    """Zeros in a file that has no name."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    if not size:
        return np.zeros(shape, kind, order="F")
    with tempfile.TemporaryFile(dir=folder) as file:
        os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error here, and a crash later
        return np.memmap(file, kind, "r+", shape=shape, order="F")


def release(part: np.ndarray) -> None:
    """Let the system have the memory of an array that lies on disk; it is read again where it is needed."""
    mapping = getattr(part, "_mmap", None)
    if mapping is not None:
        mapping.madvise(mmap.MADV_DONTNEED)
