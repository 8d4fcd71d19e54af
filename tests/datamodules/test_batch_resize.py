"""A batch on its device is resized as its images are one by one."""

from typing import Any

import numpy as np
import pytest
import torch

from datamodules import batch_resize, opencv_resize
from datamodules.aspect import Aspect, Interpolation
from datamodules.batch_resize import BatchResize
from datamodules.batches import collate
from datamodules.dataset import IGNORED, EvaluationView, Sample, SegmentationDataset
from datamodules.transforms import Resize


@pytest.mark.parametrize("channels", [1, 3, 5, 6])
@pytest.mark.parametrize("aspect", ["squash", "pad", "crop", "keep"])
@pytest.mark.parametrize("size", [(48, 64), (352, 352), (40, 200), (100, 64), (70, 70)])
@pytest.mark.parametrize("by_hand", [False, True])
def test_it_is_the_resize_of_the_clean_images(
    channels: int, aspect: Aspect, size: tuple[int, int], by_hand: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_hand:  # as on another device than a CPU
        monkeypatch.setattr(batch_resize, "resize_images", hand_over)
    rng = np.random.default_rng(channels)
    images = rng.integers(0, 256, (4, *size, channels), dtype=np.uint8)
    masks = rng.integers(0, 6, (4, *size), dtype=np.uint8)
    masks[:, :9] = IGNORED
    kept: dict[str, Any] = {"multiple": 16, "interpolation": "linear"} if aspect == "keep" else {}
    alone, together = Resize((70, 70), aspect=aspect, **kept), BatchResize((70, 70), aspect, **kept)
    found = together.resize_images(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous())
    moved = together.resize_masks(torch.from_numpy(masks).long())
    for place in range(4):
        wanted = alone(Sample(image=images[place], mask=masks[place]))
        assert np.array_equal(found[place].permute(1, 2, 0).numpy(), wanted["image"])
        assert np.array_equal(moved[place].numpy(), wanted["mask"])


def hand_over(images: torch.Tensor, target: tuple[int, int], shrinking: Interpolation) -> torch.Tensor:
    return images if tuple(images.shape[2:]) == target else opencv_resize.compute_resized(images, target, shrinking)


def test_the_filling_is_rounded_half_to_even() -> None:
    """Means of 1.5, 2.5 and 3.5 become 2, 2 and 4."""
    image = np.zeros((64, 32, 3), np.uint8)
    image[:32], image[32:] = [1, 2, 3], [2, 3, 4]
    wanted = Resize((64, 64), aspect="pad")(Sample(image=image, mask=np.zeros((64, 32), np.uint8)))["image"]
    found = BatchResize((64, 64), "pad").resize_images(torch.from_numpy(image).permute(2, 0, 1)[None])
    assert found[0, :, 0, 0].tolist() == wanted[0, 0].tolist() == [2, 2, 4]


class Mixed(SegmentationDataset):
    """Images of different sizes."""

    def __init__(self, *sizes: tuple[int, int]) -> None:
        self.sizes = sizes
        self.ids = [str(place) for place in range(len(sizes))]

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        size = self.sizes[index]
        return Sample(
            image=rng.integers(0, 256, (*size, 3), dtype=np.uint8), mask=rng.integers(0, 3, size, dtype=np.uint8)
        )


def test_batches_list_images_at_their_own_size() -> None:
    dataset = Mixed((40, 50), (64, 64), (33, 70))
    view = EvaluationView(dataset, Resize((64, 64)), own_size=True)
    batch = collate([view[place] for place in (0, 1, ~2)])
    plain = collate([EvaluationView(dataset, Resize((64, 64)))[place] for place in (0, 1, ~2)])
    assert torch.equal(batch["image"], plain["image"])
    assert (batch["digest"], set(plain)) == (plain["digest"], set(batch) - {"own_image", "own_mask"})
    assert [tuple(one.shape) for one in batch["own_image"]] == [(3, 40, 50), (3, 64, 64), (3, 33, 70)]
    assert np.array_equal(batch["own_image"][0].permute(1, 2, 0).numpy(), dataset[0]["image"])
    assert np.array_equal(batch["own_mask"][1].numpy(), dataset[1]["mask"])
    assert (batch["own_mask"][2] == IGNORED).all()  # filling is not scored


def test_batches_without_a_resize_carry_nothing_twice() -> None:
    view = EvaluationView(Mixed((64, 64), (64, 64)), Resize((64, 64)), own_size=True)
    assert "own_image" not in collate([view[0], view[1]])
