"""Data in nnU-Net's raw format, held against nibabel's own reading and scikit-learn's folds."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from medical_trees import make_nnunet, write_pair, write_volume
from PIL import Image
from sklearn.model_selection import KFold

from datamodules.dataset import IGNORED
from datamodules.datasets.nnunet import NnUNetDataModule
from datamodules.image_files import ImageFiles
from datamodules.leaks import find_leaks
from user_error import UserError

SPLITS = ("train", "val", "test")
WINDOW = (-160.0, 240.0)


def open_data(root: Path, **settings) -> NnUNetDataModule:
    return NnUNetDataModule(str(root), **{"window": WINDOW, "num_workers": 0, **settings})


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_slices(ending: str, plane: str, tmp_path: Path) -> None:
    """Each slice is what nibabel reads, in the axes of RAS, seen as a radiologist does, through the window."""
    root = make_nnunet(tmp_path / "Dataset002_Heart", ending=ending, channels=("CT", "T2"), cases=("a", "b", "c"))
    data = open_data(root, plane=plane, shares={"train": 1, "val": 0, "test": 0})
    dataset = data.make_dataset("train")
    axis = {"sagittal": 0, "coronal": 1, "axial": 2}[plane]
    expected = []
    for name in "abc":
        files = [root / f"imagesTr/{name}_000{channel}{ending}" for channel in range(2)] + [
            root / f"labelsTr/{name}{ending}"
        ]
        volumes = [nibabel.as_closest_canonical(nibabel.load(file)).get_fdata() for file in files]
        for place in range(volumes[0].shape[axis]):
            cut = [np.rot90(one.take(place, axis), 1)[:, ::-1] for one in volumes]
            low, high = WINDOW
            image = np.clip(np.rint((np.stack(cut[:2], 2) - low) * (255 / (high - low))), 0, 255)
            expected.append((f"{name}/{place:04d}", image, cut[2]))
    assert list(dataset.ids) == [name for name, _, _ in expected]
    for index, (_, image, mask) in enumerate(expected):
        sample = dataset[index]
        np.testing.assert_array_equal(sample["image"], image)
        np.testing.assert_array_equal(sample["mask"], mask)
    assert data.channels == ("CT", "T2")
    assert data.classes == ("background", "atrium")
    assert data.state_dict()["window"] == list(WINDOW)


def test_cases_are_split_and_are_the_units(tmp_path: Path) -> None:
    root = make_nnunet(tmp_path / "Dataset002_Heart")
    data = open_data(root)
    cases = {split: set(data.list_units(split)) for split in SPLITS}
    assert [len(cases[split]) for split in SPLITS] == [7, 1, 2]
    assert len(set.union(*cases.values())) == 10
    assert find_leaks(data) == []
    assert data.read_meta("val") == {
        name: {"case": name[:6], "slice": str(int(name[-4:]))} for name in data.open_split("val").ids
    }
    assert {split: set(open_data(root, seed=1).list_units(split)) for split in SPLITS} != cases


def test_patients_with_several_cases(tmp_path: Path) -> None:
    """ACDC names its cases patient001_frame01 and patient001_frame12."""
    names = [f"patient{number:03d}_frame{frame:02d}" for number in range(5) for frame in (1, 12)]
    data = open_data(make_nnunet(tmp_path / "Dataset027_ACDC", names), patient="{patient}_frame{place}")
    units = {split: set(data.list_units(split)) for split in SPLITS}
    assert data.unit == "patient"
    assert sorted(one for found in units.values() for one in found) == [f"patient{number:03d}" for number in range(5)]
    with pytest.raises(UserError, match=r"must have \{patient\} once: write one such as '\{patient\}_\*\{place\}'"):
        open_data(data.root, patient="patient").make_dataset("train")


@pytest.mark.parametrize("number", [5, 7, 10])
def test_folds_are_those_of_nnunet(number: int, tmp_path: Path) -> None:
    """By default it takes scikit-learn's KFold of the sorted cases with the seed 12345."""
    names = [f"case_{place:02d}" for place in range(number)]
    root = make_nnunet(tmp_path / "Dataset001_X", names, shape=(3, 3, 1))
    for fold, (train, val) in enumerate(KFold(5, shuffle=True, random_state=12345).split(names)):
        data = open_data(root, fold=fold)
        assert sorted(set(data.list_units("train"))) == [names[place] for place in train]
        assert (
            sorted(set(data.list_units("val")))
            == sorted(set(data.list_units("test")))
            == [names[place] for place in val]
        )
        assert data.test_is_val


def test_splits_final(tmp_path: Path) -> None:
    root = make_nnunet(tmp_path / "nnUNet_raw/Dataset002_Heart", shape=(4, 4, 2))
    folder = tmp_path / "nnUNet_preprocessed/Dataset002_Heart"
    folder.mkdir(parents=True)
    folds = [{"train": ["la_000", "la_003"], "val": ["la_001"]}, {"train": ["la_001"], "val": ["la_000"]}]
    (folder / "splits_final.json").write_text(json.dumps(folds))
    for settings in ({"fold": 1}, {"fold": 1, "preprocessed": str(folder.parent)}):
        assert set(open_data(root, **settings).list_units("train")) == {"la_001"}
    for fold, content, sentence in (
        (2, folds, r"there is no fold 2: .*splits_final.json has the folds 0 to 1"),
        (0, {"train": []}, "is no list of folds"),
        (0, [{"train": ["../x"], "val": []}], r"names 1 cases that are not there, the first is '\.\./x'"),
        (0, [{"train": ["la_001"], "val": ["la_001"]}], "has 'la_001' in train and in val"),
    ):
        (folder / "splits_final.json").write_text(json.dumps(content))
        with pytest.raises(UserError, match=sentence):
            open_data(root, fold=fold).make_dataset("train")
    with pytest.raises(UserError, match=r"does not exist: correct --data\.init_args\.preprocessed"):
        open_data(root, fold=0, preprocessed=str(tmp_path)).make_dataset("train")


def test_labels_of_the_test_images(tmp_path: Path) -> None:
    root = make_nnunet(tmp_path / "Dataset002_Heart", shape=(4, 4, 2))
    other = make_nnunet(tmp_path / "other", ("la_900",), shape=(4, 4, 2))
    (other / "imagesTr").rename(root / "imagesTs")
    (other / "labelsTr").rename(root / "labelsTs")
    for settings in ({}, {"fold": 0}):
        data = open_data(root, **settings)
        assert set(data.list_units("test")) == {"la_900"}
        assert not data.test_is_val
    assert len(set(open_data(root).list_units("train")) | set(open_data(root).list_units("val"))) == 10


def test_percentiles_of_each_case(tmp_path: Path) -> None:
    root = make_nnunet(tmp_path / "Dataset002_Heart", ("a",), channels=("T1", "T2"))
    data = open_data(root, window=None, percentiles=(10, 90), shares={"train": 1, "val": 0, "test": 0})
    image = data.make_dataset("train")[1]["image"]
    for channel in range(2):
        levels = nibabel.as_closest_canonical(nibabel.load(root / f"imagesTr/a_000{channel}.nii.gz")).get_fdata()
        low, high = np.percentile(levels, (10, 90))
        cut = np.rot90(levels[..., 1])[:, ::-1]
        np.testing.assert_array_equal(image[..., channel], np.clip(np.rint((cut - low) * (255 / (high - low))), 0, 255))
    assert data.state_dict()["percentiles"] == [10, 90]
    assert "percentiles" not in open_data(root).state_dict()


def test_ignored_and_listed(tmp_path: Path) -> None:
    """The label `ignore` is ignored; `dataset` lists files with names of their own."""
    labels = {"background": 0, "edema": [1], "ignore": 2}
    root = make_nnunet(tmp_path / "Dataset003_X", ("a",), labels=labels)
    mask = np.zeros((10, 12, 4), np.uint8)
    mask[0], mask[1] = 2, 1
    write_volume(root / "masks/of a.nii.gz", mask)
    described = json.loads((root / "dataset.json").read_text())
    entry = {"images": ["./imagesTr/a_0000.nii.gz"], "label": "masks/of a.nii.gz"}
    (root / "dataset.json").write_text(json.dumps({**described, "dataset": {"first": entry}}))
    data = open_data(root, shares={"train": 1, "val": 0, "test": 0})
    assert data.classes == ("background", "edema")
    assert data.make_dataset("train").ids[0] == "first/0000"
    found = data.make_dataset("train")[0]["mask"]
    np.testing.assert_array_equal(found, np.tile([*[0] * 8, 1, IGNORED], (12, 1)))


def test_pictures(tmp_path: Path) -> None:
    """Three channels in one file are colours; in files of their own they are stacked."""
    for kind, channels in (("colours", 1), ("stacked", 3)):
        root = make_nnunet(
            tmp_path / kind, (), channels=("a", "b", "c"), ending=".png", labels={"none": 0, "road": 255}
        )
        for number in range(3):
            for channel in range(channels):
                image, mask = root / f"imagesTr/p_{number}_{channel:04d}.png", root / f"labelsTr/p_{number}.png"
                write_pair(image, mask, (0, 255))
                if channels == 3:
                    Image.open(image).convert("L").save(image)
        data = open_data(root, window=None, size=(24, 32))
        sample = data.make_dataset("train")[0]
        assert sample["image"].shape == (24, 32, 3)
        assert sample["mask"].max() == 1
        assert data.channels == (("red", "green", "blue") if kind == "colours" else ("a", "b", "c"))
        assert isinstance(data.make_dataset("train"), ImageFiles) == (kind == "colours")


def rewrite(root: Path, **entries: object) -> None:
    content = {**json.loads((root / "dataset.json").read_text()), **entries}
    (root / "dataset.json").write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


WRONG = {
    r"has no key 'channel_names': convert the data with nnUNetv2_convert_MSD_dataset": {
        "channel_names": None,
        "modality": {},
    },
    r"has file_ending '\.\./\.nii': write the end of a name": {"file_ending": "../.nii"},
    r"says that the files end in \.mha, which is not read: convert them to one of \.nii": {"file_ending": ".mha"},
    r"trains by regions \('tumour' is made of the labels \[1, 2\]\).*--data\.init_args\.labels": {
        "labels": {"background": 0, "tumour": [1, 2]}
    },
    r"has labels .*two of one value: give each its own": {"labels": {"background": 0, "tumour": 0}},
    r"has the label '0' of the value 'background'": {"labels": {"0": "background"}},
    r"has channel_names .*: write one for each number from 0 on": {"channel_names": {"1": "CT"}},
    r"has channel_names \['CT'\]: write one": {"channel_names": ["CT"]},
    r"lists '\.\./\.\./etc/passwd', which leads out of the folder": {
        "dataset": {"a": {"images": ["../../etc/passwd"], "label": "labelsTr/a.nii.gz"}}
    },
    r"lists 'C:\\\\x\.nii\.gz', which leads out of the folder": {
        "dataset": {"a": {"images": ["C:\\x.nii.gz"], "label": "labelsTr/a.nii.gz"}}
    },
    r"lists 'imagesTr/x\.nii\.gz', which does not exist": {
        "dataset": {"a": {"images": ["imagesTr/x.nii.gz"], "label": "labelsTr/a.nii.gz"}}
    },
    r"lists 2 images of the case 'a', and names 1 channels: correct it": {
        "dataset": {"a": {"images": ["x", "y"], "label": "z"}}
    },
    r"lists the case 'a' as 1": {"dataset": {"a": 1}},
    r"the case 'la_000' in .* has the channels 0000, where .* names 0000, 0001": {
        "channel_names": {"0": "CT", "1": "PET"}
    },
}


@pytest.mark.parametrize("sentence", WRONG)
def test_wrong_descriptions(sentence: str, tmp_path: Path) -> None:
    root = make_nnunet(tmp_path / "Dataset002_Heart", ("la_000", "la_001", "la_002"), shape=(2, 2, 1))
    rewrite(root, **WRONG[sentence])
    with pytest.raises(UserError, match=sentence):
        open_data(root).make_dataset("train")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"window": None},
            r"of the type int16, not 8 bit: give --data.init_args.window .* or --data.init_args.percentiles",
        ),
        ({"percentiles": (0, 100)}, "a window and percentiles are given: give one"),
        ({"window": (1, 1)}, r"window is \[1, 1\]: give \[low, high\]"),
        ({"window": None, "percentiles": (-1, 99)}, r"percentiles are \[-1, 99\]: give two numbers from 0 to 100"),
        ({"plane": "upright"}, "plane is 'upright': give one of axial, coronal, sagittal"),
        ({"fold": 5}, "there is no fold 5: nnU-Net's cross-validation has the folds 0 to 4"),
        ({"fold": 0}, "3 cases cannot be divided into 5 folds"),
    ],
)
def test_wrong_settings(settings: dict, sentence: str, tmp_path: Path) -> None:
    root = make_nnunet(tmp_path / "Dataset002_Heart", ("a", "b", "c"), shape=(2, 2, 1))
    with pytest.raises(UserError, match=sentence):
        open_data(root, **settings).make_dataset("train")


def test_no_dataset_json(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"holds no dataset\.json: set --data\.init_args\.root to a folder DatasetXXX_NAME"
    ):
        open_data(tmp_path)


def test_incomplete_cases(tmp_path: Path) -> None:
    root = make_nnunet(tmp_path / "Dataset002_Heart", ("a", "b", "c"), shape=(2, 2, 1))
    (root / "labelsTr/b.nii.gz").unlink()
    with pytest.raises(UserError, match=r"1 cases in .* are incomplete, the first, 'b', has no label"):
        open_data(root).make_dataset("train")
    (root / "labelsTr/b.nii.gz").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"is no file, or a link that leads nowhere"):
        open_data(root).make_dataset("train")


def spoil(root: Path, name: str, levels: np.ndarray, axes: str = "RAS") -> None:
    write_volume(root / name, levels, axes)


WRONG_VOLUMES = {
    r"labelsTr/a\.nii\.gz has 3 x 2 x 1 pixels, and .*a_0000\.nii\.gz, of the same case, 2 x 2 x 1": lambda root: spoil(
        root, "labelsTr/a.nii.gz", np.zeros((3, 2, 1), np.uint8)
    ),
    r"files of the case 'a' lie differently in space": lambda root: spoil(
        root, "labelsTr/a.nii.gz", np.zeros((2, 2, 1), np.uint8), "LPS"
    ),
    r"its shape is 2 x 2 x 1 x 3, where a volume has three axes": lambda root: nibabel.save(
        nibabel.Nifti1Image(np.zeros((2, 2, 1, 3), np.int16), np.eye(4)), root / "imagesTr/a_0000.nii.gz"
    ),
    r"a_0000\.nii\.gz \(axial slice 0\) holds levels that are not finite numbers": lambda root: spoil(
        root, "imagesTr/a_0000.nii.gz", np.full((2, 2, 1), np.nan, np.float32)
    ),
    r"the mask .*a\.nii\.gz \(axial slice 0\) holds the value 7, which is no class": lambda root: spoil(
        root, "labelsTr/a.nii.gz", np.full((2, 2, 1), 7, np.uint8)
    ),
    r"the mask .* holds 0\.5 and is of the type float32": lambda root: spoil(
        root, "labelsTr/a.nii.gz", np.full((2, 2, 1), 0.5, np.float32)
    ),
}


@pytest.mark.parametrize("sentence", WRONG_VOLUMES)
def test_wrong_volumes(sentence: str, tmp_path: Path) -> None:
    root = make_nnunet(tmp_path / "Dataset002_Heart", ("a",), shape=(2, 2, 1))
    WRONG_VOLUMES[sentence](root)
    with pytest.raises(UserError, match=sentence):
        open_data(root, shares={"train": 1, "val": 0, "test": 0}).make_dataset("train")[0]


def test_nan_among_percentiles(tmp_path: Path) -> None:
    root = make_nnunet(tmp_path / "Dataset002_Heart", ("a",), shape=(2, 2, 1))
    spoil(root, "imagesTr/a_0000.nii.gz", np.full((2, 2, 1), np.nan, np.float32))
    data = open_data(root, window=None, percentiles=(0, 100), shares={"train": 1, "val": 0, "test": 0})
    with pytest.raises(UserError, match="not finite numbers"):
        data.make_dataset("train")[0]


def test_depths_differ(tmp_path: Path) -> None:
    root = make_nnunet(tmp_path / "Dataset002_Heart", ("a", "b"), shape=(2, 2, 1))
    spoil(root, "imagesTr/a_0000.nii.gz", np.zeros((2, 2, 1), np.uint8))
    with pytest.raises(UserError, match="the case 'a' has levels of 8 bits and 'b' of more"):
        open_data(root, shares={"train": 1, "val": 0, "test": 0}).make_dataset("train").prepare()
