"""Medical data sets, as their YAMLs describe them, on tiny trees in their original layouts."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from command_line import ROOT
from medical_trees import PUBLISHED, SIZE, make_cvc_clinicdb, make_polypgen, make_refuge, write_pair

from datamodules.base import SegmentationDataModule
from datamodules.datasets.cvc_clinicdb import FIRST_FRAMES, CVCClinicDBDataModule
from datamodules.datasets.polypgen import PolypGenDataModule
from datamodules.datasets.refuge import REFUGEDataModule
from datamodules.leaks import find_leaks
from experiments.sweeping.suite import Suite
from user_error import UserError

CONFIGS = ROOT / "experiments/configs"
SPLITS = ("train", "val", "test")


def open_data(name: str, root: Path, **settings) -> SegmentationDataModule:
    """The data module of a YAML, at another place."""
    described = yaml.safe_load((CONFIGS / f"data/{name}.yaml").read_text())
    module, cls = described["class_path"].rsplit(".", 1)
    given = {key: value for key, value in described["init_args"].items() if key != "augmentation"}
    return getattr(importlib.import_module(module), cls)(**{**given, "root": str(root), "num_workers": 0, **settings})


@pytest.mark.parametrize("name", PUBLISHED)
def test_layout(name: str, tmp_path: Path) -> None:
    """Splits are disjoint, complete and the same each time; images and masks are what was drawn."""
    root = PUBLISHED[name](tmp_path / "data")
    data, again = open_data(name, root), open_data(name, root)
    ids = {split: list(data.make_dataset(split).ids) for split in SPLITS}
    assert ids == {split: list(again.make_dataset(split).ids) for split in SPLITS}
    everything = [one for split in SPLITS for one in ids[split]]
    assert len(everything) == len(set(everything))
    assert all(ids.values())
    for split in SPLITS:
        dataset = data.open_split(split)
        dataset.prepare()
        sample = dataset[0]
        assert sample["image"].shape == (*SIZE, 3)
        assert sample["image"].dtype == sample["mask"].dtype == np.uint8
        assert list(dict.fromkeys(sample["mask"][-1])) == list(range(data.num_classes))
        rows = data.read_meta(split)
        assert set(rows) <= set(ids[split])
    assert find_leaks(data) == []
    assert len(data.classes) == len(data.palette)
    batch = next(iter(data.make_evaluation_dataloader("test")))
    assert tuple(batch["image"].shape[2:]) == data.size


@pytest.mark.parametrize("name", PUBLISHED)
def test_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not in .* missing\): get it from https://.*ROBUST_SEGMENTATION_DATA"):
        open_data(name, tmp_path).make_dataset("train")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_mask_is_missing(name: str, tmp_path: Path) -> None:
    root = PUBLISHED[name](tmp_path / "data")
    data = open_data(name, root)
    data.make_dataset("test").pairs[0].mask.unlink()
    with pytest.raises(UserError, match=r"have no mask.* the first is"):
        assert [data.make_dataset(split) for split in SPLITS]


def test_official_splits_of_isic(tmp_path: Path) -> None:
    data = open_data("isic2018", PUBLISHED["isic2018"](tmp_path))
    assert [len(data.make_dataset(split)) for split in SPLITS] == [4, 2, 3]


def test_sequences_of_cvc_are_whole(tmp_path: Path) -> None:
    data = CVCClinicDBDataModule(str(make_cvc_clinicdb(tmp_path)))
    members = {split: {row["sequence"] for row in data.read_meta(split).values()} for split in SPLITS}
    assert sorted(one for found in members.values() for one in found) == ["01", "02", "03", "04", "10", "28", "29"]
    assert data.list_units("train") == [
        data.read_meta("train")[name]["sequence"] for name in data.open_split("train").ids
    ]
    frames = data.read_meta("train") | data.read_meta("val") | data.read_meta("test")
    known = {
        "025": "01",
        "026": "02",
        "067": None,
        "068": "04",
        "200": "10",
        "205": "10",
        "591": "28",
        "592": "29",
        "612": "29",
    }
    assert {name: frames[name]["sequence"] if name in frames else None for name in known} == known
    assert [int(name) for name in data.open_split("train").ids] == sorted(
        int(name) for name in data.open_split("train").ids
    )


def test_the_table_of_cvc() -> None:
    """29 sequences of 6 to 26 frames, as the data set's paper counts them."""
    lengths = np.diff([*FIRST_FRAMES, 613])
    assert (len(lengths), lengths.sum(), lengths.min(), lengths.max()) == (29, 612, 6, 26)


@pytest.mark.parametrize("name", ["613", "0", "frame", "1" * 30])
def test_foreign_frames_of_cvc(name: str, tmp_path: Path) -> None:
    write_pair(tmp_path / f"Original/{name}.tif", tmp_path / f"Ground Truth/{name}.tif", (0, 255))
    with pytest.raises(UserError, match=r"is no frame of CVC-ClinicDB, which are named 1 to 612"):
        CVCClinicDBDataModule(str(tmp_path)).make_dataset("train")


def test_centres_of_polypgen(tmp_path: Path) -> None:
    root = str(make_polypgen(tmp_path))
    data = PolypGenDataModule(root, train_centres=["C1", "C2"], shares={"train": 3, "val": 1, "test": 1})
    counts = {
        split: [sum(row["centre"] == f"C{number}" for row in data.read_meta(split).values()) for number in range(1, 7)]
        for split in SPLITS
    }
    assert counts == {"train": [3, 3, 0, 0, 0, 0], "val": [1, 1, 0, 0, 0, 0], "test": [1, 1, 5, 5, 5, 5]}
    assert "C3/C3_EndoCV2021_00002" in data.open_split("test").ids
    with_videos = PolypGenDataModule(root, train_centres=["sequences"], sequences=True)
    units = {split: {one for one in with_videos.list_units(split) if one.startswith("seq")} for split in SPLITS}
    assert sorted(one for found in units.values() for one in found) == ["seq1", "seq10", "seq2"]
    assert len(with_videos.open_split("train")) % 3 == 0
    with pytest.raises(UserError, match=r"train_centres names 'C7': the centres are C1, .*C6$"):
        PolypGenDataModule(root, train_centres=["C7"])


def test_cameras_of_refuge(tmp_path: Path) -> None:
    root = str(make_refuge(tmp_path))
    official, camera = REFUGEDataModule(root), REFUGEDataModule(root, "camera")
    cameras = {split: {row["camera"] for row in official.read_meta(split).values()} for split in SPLITS}
    assert cameras == {"train": {"Zeiss"}, "val": {"Canon"}, "test": {"Canon"}}
    assert [len(official.open_split(split)) for split in SPLITS] == [10, 3, 5]
    assert official.read_meta("test")["T0001"] == {"camera": "Canon", "glaucoma": "yes"}
    assert official.read_meta("val")["V0001"] == {"camera": "Canon"}
    cameras = {split: {row["camera"] for row in camera.read_meta(split).values()} for split in SPLITS}
    assert cameras == {"train": {"Zeiss"}, "val": {"Zeiss"}, "test": {"Zeiss", "Canon"}}
    assert sum(len(camera.open_split(split)) for split in SPLITS) == 18
    mask = official.open_split("train")[0]["mask"]
    assert mask[0, [0, 15, 31]].tolist() == [0, 1, 2]  # white is background, grey disc, black cup
    with pytest.raises(UserError, match="protocol is 'mine': give one of official, camera"):
        REFUGEDataModule(root, "mine")


@pytest.mark.parametrize(("suite", "name"), [("polypgen_centres", "polypgen"), ("refuge_camera", "refuge_camera")])
def test_suites_of_shifts(suite: str, name: str, tmp_path: Path) -> None:
    """Every shift of the suite has images in the test split of its data, and together they are all of it."""
    data = open_data(name, PUBLISHED[name](tmp_path))
    adapted = Suite.from_yaml(CONFIGS / f"suite/{suite}.yaml").adapt_to_data(data.channels, data.read_meta("test"))
    shifts = [one.condition for one in adapted.conditions if one.kind == "shift"]
    members = [name for one in shifts for name in one.members]
    assert sorted(members) == sorted(data.open_split("test").ids)
