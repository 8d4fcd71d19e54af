import numpy as np
import pytest

from datamodules.dataset import IGNORED
from datamodules.datasets.cityscapes import CityscapesDataModule
from user_error import UserError


def test_splits_and_classes(cityscapes):
    root = cityscapes()
    (root / "leftImg8bit" / "train" / "bochum" / ".DS_Store").write_text("")
    data = CityscapesDataModule(str(root), num_workers=0)
    assert data.make_dataset("train").ids == ["aachen_000000_000019", "bochum_000000_000019"]
    assert data.make_dataset("test").ids == data.make_dataset("val").ids == ["ulm_000000_000019"]
    assert data.num_classes == 19
    assert (data.classes[0], data.classes[10], data.classes[18]) == ("road", "sky", "bicycle")
    assert data.palette is not None
    assert (data.palette[0], data.palette[18]) == ([128, 64, 128], [119, 11, 32])
    assert set(np.unique(data.make_dataset("val")[0]["mask"])) == {0, 10, 18, IGNORED}


def test_missing(tmp_path):
    with pytest.raises(UserError, match=r"Cityscapes is not in .*cityscapes-dataset\.com"):
        CityscapesDataModule(str(tmp_path)).make_dataset("train")


def test_missing_mask(cityscapes):
    root = cityscapes()
    (root / "gtFine" / "val" / "ulm" / "ulm_000000_000019_gtFine_labelIds.png").unlink()
    with pytest.raises(UserError, match=r"missing, the first is .*ulm_000000_000019_gtFine_labelIds\.png"):
        CityscapesDataModule(str(root)).make_dataset("val")
