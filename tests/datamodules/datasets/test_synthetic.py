import numpy as np
import pytest

from datamodules.datasets.synthetic import SyntheticDataModule, SyntheticScenes
from user_error import UserError


def scenes(length: int = 10, difficulty: float = 0.5, classes: int = 5, size=(64, 80), seed: int = 0, split="train"):
    return SyntheticScenes(split, length, size, classes, difficulty, seed)


def same(one: dict, other: dict) -> bool:
    return all(np.array_equal(one[key], other[key]) for key in ("image", "mask", "depth", "label"))


@pytest.mark.parametrize("classes", [2, 5, 12])
@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_samples(classes: int, difficulty: float):
    dataset = scenes(8, difficulty, classes)
    for index in range(len(dataset)):
        sample = dataset[index]
        assert sample["image"].shape == (64, 80, 3)
        assert sample["mask"].shape == sample["depth"].shape == (64, 80)
        assert (sample["image"].dtype, sample["mask"].dtype) == (np.uint8, np.uint8)
        assert sample["depth"].dtype == np.float32
        assert sample["mask"].max() < classes
        assert sample["image"].std() > 5
        shown = np.bincount(sample["mask"].ravel(), minlength=classes)
        assert sample["label"] == shown[1:].argmax() + 1


@pytest.mark.parametrize("classes", [2, 5, 12])
def test_every_class_occurs(classes: int):
    dataset = scenes(40, classes=classes)
    counts = sum(np.bincount(dataset[index]["mask"].ravel(), minlength=classes) for index in range(40))
    assert (counts > 0.005 * counts.sum()).all()
    assert counts[0] > 0.4 * counts.sum()


def test_scenes_do_not_depend_on_their_number():
    few, many = (
        SyntheticDataModule(train=10).make_dataset("train"),
        SyntheticDataModule(train=100).make_dataset("train"),
    )
    assert few.ids == many.ids[:10]
    assert all(same(few[index], many[index]) for index in range(10))
    assert same(many[3], many[3])


def test_splits_seeds_and_scenes_differ():
    kinds = [scenes()[0], scenes()[1], scenes(split="val")[0], scenes(split="test")[0], scenes(seed=1)[0]]
    kinds.append(scenes(difficulty=0.6)[0])
    assert len({sample["image"].tobytes() for sample in kinds}) == len(kinds)


def test_depth_agrees_with_the_order_of_drawing():
    for index in range(10):
        sample = scenes(difficulty=1.0)[index]
        behind, front = sample["depth"][sample["mask"] == 0], sample["depth"][sample["mask"] > 0]
        assert behind.min() >= 8 > front.max()
        assert front.min() > 1.5
        assert (np.diff(sample["depth"], axis=0)[(sample["mask"][1:] == 0) & (sample["mask"][:-1] == 0)] < 0).all()


def test_a_nearer_shape_covers_a_farther_one():
    dataset = scenes(1)
    canvas_depths = np.unique(np.floor(dataset[0]["depth"][dataset[0]["mask"] > 0] * 2))
    assert len(canvas_depths) >= 2, "shapes lie at several distances"


def test_difficulty_lowers_the_contrast_to_the_background():
    def contrast(difficulty: float) -> float:
        found = []
        for index in range(30):
            sample = scenes(30, difficulty)[index]
            image, front = sample["image"].astype(float), sample["mask"] > 0
            found.append((image[front].max(1) - image[front].min(1)).mean())
        return float(np.mean(found))

    easy, middle, hard = contrast(0.0), contrast(0.5), contrast(1.0)
    assert easy > 1.15 * middle > 1.3 * hard


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": (31, 64)}, "at least 32"),
        ({"num_classes": 1}, r"2\.\.12"),
        ({"num_classes": 13}, r"2\.\.12"),
        ({"difficulty": 1.1}, r"0\.\.1"),
        ({"difficulty": float("nan")}, r"0\.\.1"),
        ({"train": -1}, "negative"),
        ({"scene_seed": -1}, "negative"),
    ],
)
def test_arguments_out_of_range(settings: dict, message: str):
    with pytest.raises(UserError, match=message):
        SyntheticDataModule(**settings)


def test_no_scene_in_a_split():
    with pytest.raises(UserError, match="holds no image"):
        SyntheticDataModule(val=0, num_workers=0).val_dataloader()


def test_beyond_the_last_scene():
    with pytest.raises(IndexError):
        scenes(3)[3]
