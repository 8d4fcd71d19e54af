"""Images of several sizes in memory, and their corruption at these sizes."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from datamodules.base import SegmentationDataModule, Split
from datamodules.corruptions.base import Corruption, draw_key
from datamodules.dataset import IGNORED, Sample, SegmentationDataset

SIZES = [(72, 96), (80, 64), (72, 96), (48, 48), (72, 96), (80, 64), (130, 101)]
SEED = 3


class Scenes(SegmentationDataset):
    """Smooth images whose mask is what is bright."""

    def __init__(self, sizes: Sequence[tuple[int, int]] = SIZES) -> None:
        self.sizes = sizes
        self.ids = [f"scene {place}" for place in range(len(sizes))]

    def __getitem__(self, index: int) -> Sample:
        rng, (height, width) = np.random.default_rng(index), self.sizes[index]
        image = cv2.resize(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8), (width, height))
        mask = (image.sum(-1, dtype=np.int64) // 260).astype(np.uint8)
        mask[0] = IGNORED
        return Sample(image=image, mask=mask)


class ScenesDataModule(SegmentationDataModule):
    sizes: Sequence[tuple[int, int]] = SIZES

    def make_dataset(self, split: Split) -> Scenes:
        return Scenes(self.sizes)


def corrupt_at_own_size(sample: Sample, image_id: str, corruption: Corruption | None, severity: int) -> tuple[Any, Any]:
    """The corruption alone on image and mask as they are."""
    if corruption is None:
        return sample["image"], sample["mask"]
    image = torch.from_numpy(sample["image"].transpose(2, 0, 1).copy())[None]
    mask = torch.from_numpy(sample["mask"].astype(np.int64))[None]
    key = torch.tensor([draw_key(SEED, image_id, corruption.name, severity)])
    changed, moved = corruption.apply(image, mask, severity, key)
    return changed[0].permute(1, 2, 0).numpy(), moved[0].numpy().astype(np.uint8)
