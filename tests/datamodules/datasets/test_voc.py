import numpy as np
import pytest

from datamodules.dataset import IGNORED
from datamodules.datasets.voc import VOCDataModule, make_voc_palette
from user_error import UserError


def test_splits(voc):
    data = VOCDataModule(str(voc()), num_workers=0)
    assert data.make_dataset("train").ids == ["2007_01", "2007_02"]
    assert data.make_dataset("val").ids == data.make_dataset("test").ids == ["2007_03"]
    assert data.num_classes == 21
    assert set(np.unique(data.make_dataset("train")[0]["mask"])) == {0, 5, 20, IGNORED}


def test_palette():
    assert make_voc_palette()[:4] == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert make_voc_palette()[20] == [0, 64, 128]


def test_missing(voc, tmp_path):
    with pytest.raises(UserError, match=r"is not in .*elsewhere.VOCdevkit.*download=True"):
        VOCDataModule(str(tmp_path / "elsewhere")).make_dataset("train")
    with pytest.raises(UserError, match="2007 to 2012"):
        VOCDataModule(str(voc()), year="2015").make_dataset("train")
    (voc() / "VOCdevkit" / "VOC2012" / "JPEGImages" / "2007_02.jpg").unlink()
    with pytest.raises(UserError, match=r"1 listed files are missing, the first is .*2007_02\.jpg"):
        VOCDataModule(str(tmp_path / "voc")).make_dataset("train")
