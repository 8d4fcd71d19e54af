"""What a training says of its data before it begins."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_folder import make_tiny_folder

from datamodules.datasets.folder import FolderDataModule
from datamodules.datasets.voc import VOCDataModule
from experiments.training.data_checks import check_data
from user_error import UserError


def test_nothing_of_good_data(tmp_path: Path):
    assert check_data(FolderDataModule(str(make_tiny_folder(tmp_path / "data", 2)))) == []


def test_what_splits_share_is_refused_unless_it_is_meant(tmp_path: Path):
    root = make_tiny_folder(tmp_path / "data", 2)
    shutil.copy(root / "train/images/0.png", root / "test/images/1.png")
    with pytest.raises(UserError, match="leaks say"):
        check_data(FolderDataModule(str(root)))
    (note,) = check_data(FolderDataModule(str(root), leaks="say"))
    assert "'0 = 1'" in note


def test_files_that_are_not_read(tmp_path: Path):
    root = make_tiny_folder(tmp_path / "data", 2)
    (root / "train/images/4.heic").touch()
    (note,) = check_data(FolderDataModule(str(root)))
    assert "1 of .heic" in note


def test_a_window_that_shows_nothing(tmp_path: Path):
    root = make_tiny_folder(tmp_path / "data", 2)
    for path in root.glob("*/images/*.png"):
        np.save(path.with_suffix(".npy"), np.asarray(Image.open(path)).astype(np.uint16))
        path.unlink()
    description = (root / "dataset.yaml").read_text()
    (root / "dataset.yaml").write_text(f"{description}window: [300, 400]\n")
    with pytest.raises(UserError, match=r"one level in each channel by the window \[300, 400\]"):
        check_data(FolderDataModule(str(root)))
    (root / "dataset.yaml").write_text(f"{description}window: [0, 255]\n")
    assert check_data(FolderDataModule(str(root))) == []


def test_what_is_one_by_design(tmp_path: Path):
    (note,) = check_data(VOCDataModule(str(tmp_path)))
    assert "one by design" in note
