import numpy as np
import pytest

from datamodules.dataset import IGNORED
from datamodules.datasets.oxford_pet import OxfordPetDataModule, is_validation
from user_error import UserError


def test_splits(oxford_pet):
    data = OxfordPetDataModule(str(oxford_pet()), num_workers=0)
    train, val = data.make_dataset("train").ids, data.make_dataset("val").ids
    assert sorted([*train, *val]) == sorted(f"Birman_{number}" for number in range(20))
    assert train
    assert val
    assert data.make_dataset("test").ids == ["pug_1", "pug_2"]


def test_a_fifth_validates_and_stays():
    names = [f"Abyssinian_{number}" for number in range(4000)]
    chosen = [name for name in names if is_validation(name)]
    assert 0.18 < len(chosen) / len(names) < 0.22
    assert chosen[:3] == ["Abyssinian_2", "Abyssinian_3", "Abyssinian_4"] or chosen == sorted(chosen, key=names.index)


def test_trimaps(oxford_pet):
    data = OxfordPetDataModule(str(oxford_pet()))
    assert data.classes == ("background", "pet")
    for index in range(2):  # the first photo is grey
        sample = data.make_dataset("test")[index]
        assert sample["image"].shape[2] == 3
        raw = np.random.default_rng(index)
        raw.integers(0, 256, (*sample["mask"].shape, 3), dtype=np.uint8)
        trimap = raw.choice(np.array([1, 2, 3], np.uint8), sample["mask"].shape)
        assert np.array_equal(sample["mask"], np.array([IGNORED, 1, 0, IGNORED], np.uint8)[trimap])


def test_missing(tmp_path):
    with pytest.raises(UserError, match=r"is not in .*oxford-iiit-pet.*download=True"):
        OxfordPetDataModule(str(tmp_path)).make_dataset("train")
