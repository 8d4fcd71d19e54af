"""The contract of every data set: each YAML of the family, on tiny data in its layout, and on real data where it is."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from medical_trees import TREES
from trees.driving import PUBLISHED

from datamodules.base import SegmentationDataModule
from datamodules.dataset import IGNORED, INLIER, OUTLIER
from datamodules.datasets.synthetic import SyntheticDataModule
from safe_files.roots import find_data
from user_error import UserError

CONFIGS = Path(__file__).parent.parent.parent / "experiments" / "configs" / "data"
REAL = find_data("data")
FURTHER = {"hugging_face": {"classes": "[background, lesion]"}}
"""Settings without which a general source cannot be read."""
NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def build(name: str, **overrides) -> SegmentationDataModule:
    """The data module of a YAML, as the command line builds it."""
    parser = ArgumentParser()
    parser.add_subclass_arguments(SegmentationDataModule, "data")
    arguments = [f"--data={CONFIGS / f'{name}.yaml'}", "--data.init_args.num_workers=0"]
    arguments += [f"--data.init_args.{key}={value}" for key, value in overrides.items()]
    return parser.instantiate_classes(parser.parse_args(arguments)).data


@pytest.fixture(params=NAMES)
def data(request: pytest.FixtureRequest) -> SegmentationDataModule:
    settings = {"size": "[32, 40]", "batch_size": 2, "eval_batch_size": 2}
    if request.param == "synthetic":
        return build("synthetic", **settings, train=3, val=3, test=3)
    if request.param in TREES:
        root = TREES[request.param](request.getfixturevalue("tmp_path") / "data")
        return build(request.param, **settings, **FURTHER.get(request.param, {}), root=root)
    if request.param in PUBLISHED:
        published = request.getfixturevalue("tmp_path") / request.param
        PUBLISHED[request.param](published)
        return build(request.param, **settings, root=published)
    own_layout = request.param in ("voc", "cityscapes", "oxford_pet")
    root = request.getfixturevalue(request.param if own_layout else "folder")()
    describe_images(root, yaml.safe_load((CONFIGS / f"{request.param}.yaml").read_text())["init_args"].get("where"))
    return build(request.param, **settings, root=root)


def skip_withheld(data: SegmentationDataModule, split: str) -> None:
    """Skip a test of a split of which the publishers give no labels."""
    if split in getattr(data, "withheld", ()):
        pytest.skip(f"there are no labels of the split {split!r}")


def describe_images(root: Path, where: dict[str, dict[str, list[str]]] | None) -> None:
    """Write the meta.csv of a folder whose images all have what the YAML selects."""
    if where is None:
        return
    columns = list(where["train"])
    rows = [["split", "stem", *columns]]
    for split, values in where.items():
        stems = sorted(path.stem for path in (root / split / "images").iterdir())
        rows += [[split, stem, *(values[column][0] for column in columns)] for stem in stems]
    (root / "meta.csv").write_text("".join(",".join(row) + "\n" for row in rows))


def test_description(data: SegmentationDataModule):
    assert data.num_classes == len(data.classes) == len(set(data.classes)) >= 2
    assert data.in_channels == len(data.channels) == 3
    if data.palette is not None:
        assert len(data.palette) == data.num_classes
        assert all(len(colour) == 3 and all(0 <= level <= 255 for level in colour) for colour in data.palette)
    assert data.state_dict()["classes"] == list(data.classes)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_samples(data: SegmentationDataModule, split: str):
    skip_withheld(data, split)
    dataset, again = data.make_dataset(split), data.make_dataset(split)
    assert len(dataset) == len(dataset.ids) == len(set(dataset.ids)) > 0
    assert list(dataset.ids) == sorted(dataset.ids) == list(again.ids)
    for index in range(min(3, len(dataset))):
        sample, other = dataset[index], again[index]
        assert sample["image"].dtype == sample["mask"].dtype == np.uint8
        assert sample["image"].shape == (*sample["mask"].shape, data.in_channels)
        values = set(np.unique(sample["mask"]))
        assert values <= {*range(data.num_classes), IGNORED, *((INLIER, OUTLIER) if data.marks_outliers else ())}
        assert sample.keys() == other.keys()
        assert all(np.array_equal(sample[key], other[key]) for key in sample)


@pytest.mark.parametrize("loader", ["train_dataloader", "val_dataloader", "test_dataloader"])
def test_batches(data: SegmentationDataModule, loader: str):
    skip_withheld(data, loader.partition("_")[0])
    batch = data.on_after_batch_transfer(next(iter(getattr(data, loader)())), 0)
    assert batch["image"].shape == (2, 3, 32, 40)
    assert batch["image"].dtype == torch.uint8
    assert batch["mask"].shape == (2, 32, 40)
    assert batch["mask"].dtype == torch.int64
    assert len(batch["id"]) == 2
    assert all(isinstance(name, str) for name in batch["id"])


def test_evaluation_meets_every_image_once(data: SegmentationDataModule):
    names = [name for batch in data.test_dataloader() for name in batch["id"] if name]
    assert names == list(data.make_dataset("test").ids)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "synthetic"])
def test_data_lie_where_their_name_says(name: str):
    folder = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["init_args"].get("root", name).removeprefix("data/")
    assert folder == name or (folder in NAMES and name.startswith(f"{folder}_"))  # a selection of the same folder


COUNTS = {"camvid": (367, 101, 233), "kvasir_seg": (800, 100, 100), "lgg_mri": (210, 39, 80)}
CHANNELS = {"lgg_mri": ("T1 pre-contrast", "FLAIR", "T1 post-contrast")}


@pytest.fixture(params=sorted(COUNTS))
def real(request: pytest.FixtureRequest) -> tuple[str, SegmentationDataModule]:
    if not (REAL / request.param).is_dir():
        pytest.skip(f"the real data set {request.param} is not in {REAL}")
    return request.param, build(request.param, root=REAL / request.param)


def test_real_data(real: tuple[str, SegmentationDataModule]):
    name, data = real
    assert tuple(len(data.make_dataset(split)) for split in ("train", "val", "test")) == COUNTS[name]
    assert data.num_classes == (11 if name == "camvid" else 2)
    assert data.channels == CHANNELS.get(name, ("red", "green", "blue"))
    values: Counter[int] = Counter()
    for split in ("train", "val", "test"):
        dataset = data.make_dataset(split)
        for index in (0, len(dataset) // 2, len(dataset) - 1):
            sample = dataset[index]
            assert sample["image"].shape == (*sample["mask"].shape, 3)
            values.update(np.unique(sample["mask"]).tolist())
    assert set(values) - {IGNORED} <= set(range(data.num_classes))
    assert (IGNORED in values) == (name == "camvid")
    with (REAL / name / "meta.csv").open(encoding="utf-8") as file:
        listed = {row["stem"] for row in csv.DictReader(file) if row["split"] == "test"}
    assert set(data.make_dataset("test").ids) == listed


def test_real_batch(real: tuple[str, SegmentationDataModule]):
    _, data = real
    assert data.size is not None
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (8, 3, *data.size)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"batch_size": 0}, "a batch of 0 images"),
        ({"eval_batch_size": -1}, "a batch of -1 images"),
        ({"num_workers": -1}, "-1 loader processes"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, int], named: str):
    with pytest.raises(UserError, match=named):
        SyntheticDataModule(**settings)


class Unread(SegmentationDataModule):
    def make_dataset(self, *_: Any) -> Any:
        raise AssertionError


def test_more_classes_than_a_mask_holds():
    with pytest.raises(UserError, match="300 classes"):
        Unread([str(number) for number in range(300)])
