import pickle

import numpy as np
import pytest
import torch

from datamodules.base import SegmentationDataModule, Split
from datamodules.dataset import IGNORED, EvaluationView, Sample, SegmentationDataset, TrainingView
from datamodules.transforms import FlipScaleCrop, Resize


class Stored(SegmentationDataset):
    """Samples kept in memory, which no view may change."""

    def __init__(self, count: int = 6, size: tuple[int, int] = (40, 50)) -> None:
        rng = np.random.default_rng(0)
        self.ids = [f"image {number}" for number in range(count)]
        self.samples = [
            Sample(
                image=rng.integers(0, 256, (*size, 3), dtype=np.uint8),
                mask=rng.integers(0, 2, size, dtype=np.uint8),
                depth=rng.random(size, dtype=np.float32),
                label=number,
            )
            for number in range(count)
        ]

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


class StoredModule(SegmentationDataModule):
    def make_dataset(self, split: Split) -> Stored:
        return Stored()


def module(workers: int) -> StoredModule:
    augmentation = FlipScaleCrop(vertical_flip=0.5)
    return StoredModule(
        ["a", "b"], size=(32, 36), batch_size=2, eval_batch_size=4, num_workers=workers, augmentation=augmentation
    )


@pytest.mark.parametrize("loader", ["train_dataloader", "val_dataloader", "test_dataloader"])
def test_batches_do_not_depend_on_workers(loader: str):
    for alone, together in zip(getattr(module(0), loader)(), getattr(module(2), loader)(), strict=True):
        assert alone.keys() == together.keys()
        for key, value in alone.items():
            if isinstance(value, torch.Tensor):  # depth is NaN where an image was padded
                assert np.array_equal(value, together[key], equal_nan=value.is_floating_point()), key
            else:
                assert value == together[key], key


def test_augmentation_follows_from_seed_epoch_and_image():
    dataset, bound = Stored(), FlipScaleCrop().bind((32, 32))
    view = TrainingView(dataset, bound, seed=1)
    first = view[0, 2]["image"]
    view[0, 1]
    assert torch.equal(view[0, 2]["image"], first)
    assert not torch.equal(view[1, 2]["image"], first)
    assert not torch.equal(TrainingView(dataset, bound, seed=2)[0, 2]["image"], first)


def test_views_can_be_sent_to_spawned_workers():
    dataset = Stored()
    view = TrainingView(dataset, FlipScaleCrop().bind((32, 32)), seed=1)
    assert torch.equal(pickle.loads(pickle.dumps(view))[3, 0]["image"], view[3, 0]["image"])
    evaluation = EvaluationView(dataset, Resize((20, 20)))
    assert pickle.loads(pickle.dumps(evaluation))[0]["digest"] == evaluation[0]["digest"]


def test_filling_counts_nothing_and_leaves_the_data_set_as_it_was():
    dataset = Stored()
    before = dataset[1]["mask"].copy()
    view = EvaluationView(dataset, Resize(None))
    filling = view[~1]
    assert (filling["mask"] == IGNORED).all()
    assert filling["id"] == ""
    assert np.array_equal(dataset[1]["mask"], before)
    assert view[1]["id"] == "image 1"
    assert view[1]["digest"] != filling["digest"]


def test_last_batch_is_filled():
    *_, last = module(0).val_dataloader()
    assert last["id"] == ["image 4", "image 5", "", ""]
    assert (last["mask"][2:] == IGNORED).all()
    assert last["image"].shape == (4, 3, 32, 36)
    assert last["depth"].shape == (4, 32, 36)
    assert last["label"].tolist()[:2] == [4, 5]
