"""What every data set hands over, and how its samples become the batch of the contract."""

from abc import abstractmethod
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Protocol, TypedDict

import numpy as np
import torch
from torch.utils.data import Dataset

from datamodules.targets import KNOWN, Targets, require_typed

IGNORED = 255
"""The value of an ignored pixel in every mask, whatever the data set uses on disk."""


class Sample(TypedDict, total=False):
    """One image as a data set hands it over, at its own size; further keys are named targets, see `datamodules.targets`."""

    image: np.ndarray  # (H, W, C) uint8
    mask: np.ndarray  # (H, W) uint8, class ids and IGNORED
    depth: np.ndarray  # (H, W) float32
    label: int  # of the whole image


class SegmentationDataset(Dataset[Sample]):
    """A map-style data set of `Sample`, with the ids of its images at hand without decoding any.

    An id is unique within a split and stays the same wherever the data lie: what a corruption draws depends on it.

    A data set that hands over further targets declares what they are, so that those of pixels move with their image::

        targets = {**KNOWN, "vessels": "classes", "height": "continuous", "age": "whole"}
    """

    ids: Sequence[str]
    targets: Targets = KNOWN

    def __len__(self) -> int:
        return len(self.ids)

    def prepare(self) -> None:
        """Find out what all samples need, before loaders copy the data set; nothing unless a data set says so."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Decoded sample `index`; pure: the same index gives the same arrays in every process."""


class Transform(Protocol):
    """Maps a sample to a sample; what it draws depends on `seed` alone."""

    def __call__(self, sample: Sample, seed: int) -> Sample:
        """The transformed sample."""
        ...


def to_tensors(sample: Sample) -> dict[str, Any]:
    """Channels first, the mask still 8 bit: it becomes int64 on the device, after the transfer."""
    tensors: dict[str, Any] = {key: torch.as_tensor(value) for key, value in sample.items()}
    tensors["image"] = torch.from_numpy(np.ascontiguousarray(sample["image"].transpose(2, 0, 1)))
    tensors["mask"] = torch.from_numpy(np.ascontiguousarray(sample["mask"]))
    return tensors


def _read_typed(dataset: SegmentationDataset, index: int) -> Sample:
    """A sample whose targets are what the data set declares."""
    sample = dataset[index]
    require_typed(sample, dataset.targets, dataset.ids[index])
    return sample


class TrainingView(Dataset[dict[str, Any]]):
    """Augmented samples of a training split.

    It is indexed by (epoch, index), as `ShuffledBatches` yields them, so that an augmentation depends on (seed, epoch,
    image) alone: not on the worker that draws it, nor on whether training was interrupted.
    """

    def __init__(self, dataset: SegmentationDataset, transform: Transform, seed: int) -> None:
        self.dataset = dataset
        self.transform = transform
        self.seed = seed

    def __getitem__(self, request: tuple[int, int]) -> dict[str, Any]:
        epoch, index = request
        name = self.dataset.ids[index]
        draw = blake2b(f"{self.seed}/{epoch}/{name}".encode(), digest_size=4).digest()
        sample = self.transform(_read_typed(self.dataset, index), int.from_bytes(draw, "little"))
        return {**to_tensors(sample), "id": name}


class EvaluationView(Dataset[dict[str, Any]]):
    """Samples of a split that is scored, each with its index and a digest of its pixels.

    A negative request ``~index`` asks for filling: the sample `index` with an id of "" and a mask that is ignored
    everywhere, which counts nothing by construction.
    """

    def __init__(self, dataset: SegmentationDataset, transform: Transform) -> None:
        self.dataset = dataset
        self.transform = transform

    def __getitem__(self, request: int) -> dict[str, Any]:
        index = ~request if request < 0 else request
        sample = self.transform(_read_typed(self.dataset, index), 0)
        if request < 0:
            sample = {**sample, "mask": np.full_like(sample["mask"], IGNORED)}  # the sample may be a cached one
        digest = blake2b(sample["image"].tobytes() + sample["mask"].tobytes(), digest_size=16).hexdigest()
        return {
            **to_tensors(sample),
            "id": "" if request < 0 else self.dataset.ids[index],
            "index": index,
            "digest": digest,
        }
