"""What two splits share is found by content, whatever it is called, and refused unless it is meant."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_folder import make_tiny_folder

from datamodules.datasets.folder import FolderDataModule
from datamodules.leaks import find_equal_files, find_leaks, require_apart
from user_error import UserError


def said(root: Path, **settings) -> list[tuple[str, tuple[str, str], list[str]]]:
    return [(leak.kind, leak.splits, leak.shared) for leak in find_leaks(FolderDataModule(str(root), **settings))]


def test_splits_that_are_apart_share_nothing_by_their_names(tmp_path: Path):
    """Both hold a file named 0.png, and blank pictures are the same without being a leak."""
    root = make_tiny_folder(tmp_path / "data", 2)
    for split in ("train", "test"):
        Image.fromarray(np.full((48, 64, 3), 7, np.uint8)).save(root / split / "images" / "1.png")
    shutil.rmtree(root / "val")
    assert said(root) == []


def test_the_same_picture_under_another_name(tmp_path: Path):
    root = make_tiny_folder(tmp_path / "data", 2)
    for kind in ("images", "masks"):
        shutil.copy(root / "train" / kind / "0.png", root / "test" / kind / "other.png")
    data = FolderDataModule(str(root))
    assert said(root) == [("picture", ("train", "test"), ["0 = other"])]
    with pytest.raises(UserError, match=r"an image in the splits 'train' and 'test'.*'0 = other'.*leaks say"):
        require_apart(find_leaks(data))


def test_units(tmp_path: Path):
    root = make_tiny_folder(tmp_path / "data", 2)
    rows = [f"{split},{stem},p{stem if split == 'val' else split}" for split in ("train", "val") for stem in range(3)]
    rows += [f"test,{stem},{'p2' if stem == 1 else 'other'}" for stem in range(3)]
    (root / "meta.csv").write_text("\n".join(["split,stem,patient", *rows]))
    assert said(root) == []
    assert said(root, unit="patient") == [("unit", ("val", "test"), ["p2"])]
    with pytest.raises(UserError, match=r"a unit \(patient\) in the splits 'val' and 'test' alike: 'p2'"):
        require_apart(find_leaks(FolderDataModule(str(root), unit="patient")))


def test_files_are_compared_to_their_end(tmp_path: Path):
    paths = {name: tmp_path / name for name in ("a", "b", "c", "d")}
    long = bytes(100_000)
    for path, content in zip(paths.values(), (long, long, long[:-1] + b"x", b""), strict=True):
        path.write_bytes(content)
    (tmp_path / "d").unlink()
    second = {name: paths[name] for name in ("b", "c", "d")}
    assert find_equal_files({"a": paths["a"], "d": paths["d"]}, second) == [("a", "b")]
