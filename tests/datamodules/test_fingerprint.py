"""Data are known by their content: what changes a pixel or a label changes the fingerprint, and nothing else does."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from datamodules import fingerprint
from datamodules.base import SegmentationDataModule
from datamodules.dataset import Sample, SegmentationDataset
from datamodules.datasets.cityscapes import CityscapesDataModule
from datamodules.datasets.folder import FolderDataModule
from datamodules.datasets.oxford_pet import OxfordPetDataModule
from datamodules.datasets.synthetic import SyntheticDataModule
from datamodules.datasets.voc import VOCDataModule
from datamodules.fingerprint import Fingerprint
from datamodules.transforms import FlipScaleCrop

META = "split,stem,light\n" + "".join(
    f"{s},{s}_{n},{'day' if n else 'dusk'}\n" for s in ("train", "test") for n in (0, 1)
)


@pytest.fixture
def root(folder: Callable[..., Path]) -> Path:
    place = folder(ignore_index=255)
    (place / "meta.csv").write_text(META)
    return place


def of(root: Path, known: Fingerprint | None = None, **settings: object) -> Fingerprint:
    return FolderDataModule(str(root), **settings).compute_fingerprint("test", known)  # type: ignore[arg-type]


def invert(mask: Path) -> None:
    Image.fromarray(1 - np.asarray(Image.open(mask))).save(mask)


def describe(root: Path, **changed: object) -> None:
    path = root / "dataset.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changed))


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "mask": (lambda root: invert(root / "test/masks/test_1.png"), "'test/masks/test_1.png' changed"),
    "image": (lambda root: invert(root / "test/images/test_0.png"), "'test/images/test_0.png' changed"),
    "both": (
        lambda root: [invert(path) for path in (root / "test").rglob("*.png")],
        "4 files differ, the first: 'test/images/test_0.png' changed",
    ),
    "gone": (
        lambda root: [(root / "test" / kind / "test_1.png").unlink() for kind in ("images", "masks")],
        "2 files differ, the first: 'test/images/test_1.png' is gone",
    ),
    "classes": (lambda root: describe(root, classes={1: "background", 0: "thing"}), "the setting 'classes' changed"),
    "values": (
        lambda root: describe(root, classes={0: "background", 2: "thing"}),
        "the setting 'masks.values' changed",
    ),
    "ignored": (lambda root: describe(root, ignore_index=254), "the setting 'masks.values' changed"),
    "window": (lambda root: describe(root, window=[0, 200]), "the setting 'images.window' changed"),
    "meta": (
        lambda root: (root / "meta.csv").write_text(META.replace("test,test_0,dusk", "test,test_0,day")),
        "the rows of meta.csv changed",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_a_pixel_or_a_label_is_named(root: Path, name: str) -> None:
    before = of(root)
    change, message = CHANGES[name]
    change(root)
    now = of(root, before)
    assert now.find_difference_from(before) == message
    assert now.content != before.content


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"size": (24, 24)}, "'size' changed"), ({"where": {"test": {"light": ["day"]}}}, "2 files differ")],
)
def test_settings_that_change_a_pixel_or_a_label(root: Path, settings: dict, message: str) -> None:
    assert message in str(of(root, **settings).find_difference_from(of(root)))


def test_what_leaves_all_pixels_as_they_are_stays_free(root: Path, tmp_path: Path) -> None:
    """Another place, other loading, files that were touched, comments, and the other splits."""
    before = of(root)
    moved = Path(shutil.copytree(root, tmp_path / "elsewhere" / "named otherwise"))
    with (moved / "dataset.yaml").open("a") as file:
        file.write("licence: none  # of note\n")
    invert(moved / "train/masks/train_0.png")
    now = of(moved, before, num_workers=0, batch_size=1, eval_batch_size=3, augmentation=FlipScaleCrop(), unit="light")
    assert now.find_difference_from(before) is None
    assert now.content == before.content


def test_lists_decide_which_files_are_read(folder: Callable[..., Path]) -> None:
    flat = folder("flat")
    for split in ("train", "val", "test"):
        (flat / f"{split}.txt").write_text(f"{split}_0\n{split}_1\n")
    before = of(flat)
    (flat / "test.txt").write_text("test_1\n")
    assert "'images/test_0.png' is gone" in str(of(flat, before).find_difference_from(before))


def settle(root: Path) -> None:
    """Give all files a time that a test can set again."""
    for path in root.rglob("*"):
        os.utime(path, (0, 0))


def test_files_that_are_as_they_were_are_not_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new content is found all the same where its size and time are set as they were."""
    settle(root)
    monkeypatch.setattr(fingerprint, "UNSETTLED", 0)
    before = of(root)
    read: list[Path] = []
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *words, **named: read.append(self) or real(self, *words, **named))
    assert of(root, before) == before
    assert not [path for path in read if path.suffix == ".png"]
    (root / "test/images/test_0.png").touch()
    assert of(root, before).find_difference_from(before) is None
    assert [path.name for path in read if path.suffix == ".png"] == ["test_0.png"]
    mask = root / "test/masks/test_1.png"
    content = bytearray(mask.read_bytes())
    content[-20] ^= 1
    mask.write_bytes(content)
    os.utime(mask, (0, 0))
    assert "test_1.png' changed" in str(of(root, before).find_difference_from(before))


def test_a_file_that_was_just_written_is_not_trusted(root: Path) -> None:
    """A further change within the same tick of the file system's clock need not show in its times."""
    assert all(mark.mtime_ns == 0 for mark in of(root).files.values())


def test_it_is_stored_as_json(root: Path) -> None:
    before = of(root)
    stored = json.loads(json.dumps(before.as_json()))
    assert Fingerprint.from_json(stored) == before
    for broken in (None, [], {}, {"files": 1, "settings": {}}, {"files": {"a": [1]}, "settings": {}}):
        assert Fingerprint.from_json(broken) is None
    assert Fingerprint.from_json({"files": {"a": ["1", 2, 3, "x"]}, "settings": {}}) is None


@pytest.mark.parametrize(
    ("kind", "split", "files"),
    [(CityscapesDataModule, "test", 2), (VOCDataModule, "train", 4), (OxfordPetDataModule, "test", 4)],
)
def test_every_data_set_of_files(
    kind: type[SegmentationDataModule], split: str, files: int, request: pytest.FixtureRequest
) -> None:
    names = {CityscapesDataModule: "cityscapes", VOCDataModule: "voc", OxfordPetDataModule: "oxford_pet"}
    root = request.getfixturevalue(names[kind])()
    before = kind(root=str(root)).compute_fingerprint(split)  # type: ignore[call-arg, arg-type]
    assert len(before.files) == files
    first = min(before.files)
    (root / first).write_bytes((root / first).read_bytes() + b"more")
    now = kind(root=str(root)).compute_fingerprint(split, before)  # type: ignore[call-arg, arg-type]
    assert now.find_difference_from(before) == f"{first!r} changed"


@pytest.mark.parametrize("changed", [{"test": 5}, {"scene_seed": 1}, {"difficulty": 0.1}, {"num_classes": 3}])
def test_synthetic_data_are_their_settings(changed: dict) -> None:
    before = SyntheticDataModule(test=4, train=9).compute_fingerprint("test")
    assert not before.files
    assert SyntheticDataModule(test=4, train=7).compute_fingerprint("test") == before
    assert (
        SyntheticDataModule(**{"test": 4, **changed}).compute_fingerprint("test").find_difference_from(before)
        is not None
    )


class Wrapped(SegmentationDataset):
    """A user's own: paths as text, an array, a tensor's worth of weights, and an object that leads back to itself."""

    def __init__(self, files: list[str], levels: np.ndarray) -> None:
        self.ids = ["images/a"]
        self.files = {"images": files}
        self.levels = levels
        self.inner = self

    def __getitem__(self, index: int) -> Sample:
        raise NotImplementedError


def test_a_data_set_of_a_user(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"1")

    def take(levels: int) -> Fingerprint:
        return fingerprint.take_fingerprint({}, Wrapped([str(tmp_path / "a.npy")], np.array([levels])), None)

    before = take(1)
    assert list(before.files) == ["a.npy"]
    assert take(1) == before
    assert take(2).find_difference_from(before) is not None
    (tmp_path / "a.npy").write_bytes(b"2")
    assert take(1).find_difference_from(before) == "'a.npy' changed"
