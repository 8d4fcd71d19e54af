"""Which images make up which batch, on which process."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler, default_collate

from datamodules.dataset import OWN
from datamodules.targets import KNOWN, TargetType
from user_error import UserError


class ShuffledBatches(Sampler[list[tuple[int, int]]]):
    """Training batches of (epoch, index), shuffled by (seed, epoch) alone and distributed over the processes.

    Lightning calls `set_epoch` before each epoch. Incomplete batches at the end of an epoch are dropped, so that every
    process takes the same number of steps; a split smaller than one batch is repeated until it fills one.
    """

    def __init__(self, length: int, batch_size: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.length = length
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    @property
    def sampler(self) -> "ShuffledBatches":
        """This object: Lightning looks for `set_epoch` at ``batch_sampler.sampler`` of a loader, not at ``batch_sampler``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Shuffle anew for `epoch`."""
        self.epoch = epoch

    def __len__(self) -> int:
        return max(1, self.length // (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.length, generator=generator).tolist()
        needed = len(self) * self.batch_size * self.world_size
        order = (order * -(-needed // len(order)))[:needed]
        for start in range(0, needed, self.batch_size * self.world_size):
            own = order[start + self.rank * self.batch_size :][: self.batch_size]
            yield [(self.epoch, index) for index in own]


class EvaluationBatches(Sampler[list[int]]):
    """Batches of consecutive images, the same for any number of processes, each scored by exactly one process.

    The last batch is padded, because the size of a batch changes the last digits of logits; padding is requested by
    negative indices (see `EvaluationView`) and is not scored. With `even`, processes that have one batch less get one that
    consists of padding: DistributedDataParallel exchanges buffers at every forward pass and would wait for them forever.

    Args:
        length: images in the split.
        batch_size: images in a batch.
        rank: this process.
        world_size: number of processes.
        skip: indices of batches that are already done.
        even: whether all processes must see the same number of batches.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        skip: frozenset[int] = frozenset(),
        even: bool = False,
    ) -> None:
        self.length = length
        self.batch_size = batch_size
        todo = [number for number in range(-(-length // batch_size)) if number not in skip]
        self.numbers: list[int | None] = list(todo[rank::world_size])
        if even and len(self.numbers) < -(-len(todo) // world_size):
            self.numbers.append(None)

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[list[int]]:
        for number in self.numbers:
            first = 0 if number is None else number * self.batch_size
            wanted = range(first, first + self.batch_size)
            yield [index if number is not None and index < self.length else ~first for index in wanted]


def collate_by_size(
    samples: Sequence[dict[str, Any]], targets: Mapping[str, TargetType] = KNOWN
) -> list[dict[str, Any]]:
    """One batch for each size among the samples; see `collate`."""
    groups: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    for sample in samples:
        groups.setdefault(tuple(sample["image"].shape), []).append(sample)
    return [collate(group, targets) for group in groups.values()]


def collate(samples: Sequence[dict[str, Any]], targets: Mapping[str, TargetType] = KNOWN) -> dict[str, Any]:
    """Stack samples to a batch, with the types of its named targets as ``kinds``.

    Images, masks and targets at the sizes of their files, which may differ, are listed instead; they are left out where each has
    the size of its sample, since they are then the same.

    Args:
        samples: tensors by name.
        targets: types of the targets, as the data set declares them.

    Raises:
        UserError: the images have different sizes.
    """
    sizes = {tuple(sample["image"].shape): str(sample["id"]) for sample in samples}
    if len(sizes) > 1:
        (one, name), (other, other_name) = list(sizes.items())[:2]
        raise UserError(
            f"images of different sizes meet in one batch ({name!r} is {one[1]} x {one[2]} with {one[0]} channels, "
            f"{other_name!r} is {other[1]} x {other[2]} with {other[0]}): give the data a size, e.g. "
            "--data.init_args.size=[256,256], or use a batch size of 1"
        )
    kinds = {name: kind for name, kind in targets.items() if name in samples[0]}
    names = [name for name in samples[0] if name.startswith(OWN) and name.removeprefix(OWN) in samples[0]]
    resized = any(sample[name].shape != sample[name.removeprefix(OWN)].shape for name in names for sample in samples)
    own = {name: [sample[name] for sample in samples] for name in names if resized}
    stacked = [{name: value for name, value in sample.items() if name not in names} for sample in samples]
    return {**default_collate(stacked), **own, "kinds": kinds}
