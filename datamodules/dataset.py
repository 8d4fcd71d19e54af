"""The interface of data sets, and the views that turn their samples into tensors for training and evaluation."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Protocol, TypedDict

import numpy as np
import torch
from torch.utils.data import Dataset

from datamodules.targets import KNOWN, Targets, require_present, require_typed

IGNORED = 255
"""The value of an ignored pixel in every mask, whatever the data set uses on disk."""

OUTLIER, INLIER = 254, 253
"""Values of pixels without a class of which it is known whether they are of anything that classes are meant for: an animal
on the road, and the rest of the street around it. As all values outside the classes they are ignored, except by the counter
of outliers; data sets with up to 253 classes may have them in the masks of images that are swept."""

OWN = "own_"
"""Prefix of image and mask at the size of their file, in batches for sweeps that corrupt them before the resize."""


class Sample(TypedDict, total=False):
    """One image of a data set at its own size; further keys are named targets, see `datamodules.targets`."""

    image: np.ndarray  # (H, W, C) uint8
    mask: np.ndarray  # (H, W) uint8, class ids and IGNORED
    depth: np.ndarray  # (H, W) float32
    label: int  # of the whole image


class SegmentationDataset(Dataset[Sample], ABC):
    """A map-style data set of `Sample`, which knows the ids of its images without decoding any.

    An id is unique within a split and does not depend on where the data lie: it seeds the random draws of corruptions.

    A data set with further targets declares their types, so that targets of pixels are transformed with their image::

        targets = declare_targets(vessels="classes", height="continuous", age="whole")
    """

    ids: Sequence[str]
    targets: Targets = KNOWN
    """Types of the targets; a class or an instance may set it."""

    def __len__(self) -> int:
        return len(self.ids)

    def prepare(self) -> None:
        """Compute what all samples need, before loader processes copy the data set; does nothing by default."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Decode sample `index`: the same index gives the same arrays in every process."""


class Transform(Protocol):
    """Maps a sample to a sample; its random draws depend on `seed` alone."""

    def __call__(self, sample: Sample, seed: int) -> Sample:
        """The transformed sample."""
        ...


def to_tensors(sample: Sample) -> dict[str, Any]:
    """Tensors with channels first; the mask stays uint8 until it is converted to int64 on the device."""
    tensors: dict[str, Any] = {key: torch.as_tensor(value) for key, value in sample.items()}
    tensors["image"] = torch.from_numpy(np.ascontiguousarray(sample["image"].transpose(2, 0, 1)))
    tensors["mask"] = torch.from_numpy(np.ascontiguousarray(sample["mask"]))
    return tensors


def _read_typed(dataset: SegmentationDataset, index: int) -> Sample:
    """Read a sample and check that its targets have the declared types."""
    sample = dataset[index]
    require_typed(sample, dataset.targets, dataset.ids[index])
    return sample


class TrainingView(Dataset[dict[str, Any]]):
    """Augmented samples of a training split.

    It is indexed by (epoch, index), as `ShuffledBatches` yields them, so that an augmentation depends on (seed, epoch,
    image) alone: neither on the worker process nor on whether training was interrupted.
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

    A negative index ``~index`` requests padding: the sample `index` with the id "" and a mask that is ignored everywhere,
    so that it is not scored.

    Args:
        dataset: of the split.
        transform: of every sample, to the size at which it is scored.
        own_size: whether image and mask also come as the data set has them, as ``own_image`` and ``own_mask``.
        own_masks: whether images are scored by ``own_mask``, which then comes in any case and is part of the digest.
        needs: further targets by which images are corrupted: every sample must have them, and with `own_size` they also come
            as the data set has them, as ``own_depth``. They are no part of the digest, which is of what a network is given.

    Raises:
        UserError: when a sample is read that lacks a target which is needed.
    """

    def __init__(
        self,
        dataset: SegmentationDataset,
        transform: Transform,
        own_size: bool = False,
        own_masks: bool = False,
        needs: Sequence[str] = (),
    ) -> None:
        self.dataset = dataset
        self.transform = transform
        self.own_size = own_size
        self.own_masks = own_masks
        self.needs = tuple(needs)

    def __getitem__(self, request: int) -> dict[str, Any]:
        index = ~request if request < 0 else request
        read = _read_typed(self.dataset, index)
        require_present(read, self.needs, self.dataset.ids[index])
        sample = self.transform(read, 0)
        if request < 0:
            sample, read = _ignore(sample), _ignore(read)
        own = to_tensors({"image": read["image"], "mask": read["mask"]}) if self.own_size or self.own_masks else {}
        if not self.own_size:
            own.pop("image", None)
        further: Any = read
        own |= {name: torch.as_tensor(further[name]) for name in self.needs if self.own_size}
        scored = read["mask"].tobytes() if self.own_masks else b""
        digest = blake2b(sample["image"].tobytes() + sample["mask"].tobytes() + scored, digest_size=16).hexdigest()
        return {
            **to_tensors(sample),
            **{f"{OWN}{name}": value for name, value in own.items()},
            "id": "" if request < 0 else self.dataset.ids[index],
            "index": index,
            "digest": digest,
        }


def _ignore(sample: Sample) -> Sample:
    """The sample with a mask that is ignored everywhere; a copy, since the data set may keep its samples."""
    return {**sample, "mask": np.full_like(sample["mask"], IGNORED)}
