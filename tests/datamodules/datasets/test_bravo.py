import numpy as np
import pytest
from trees.driving import BRAVO, SIZE, make_bravo

import lightning_modules.labels
from datamodules import dataset
from datamodules.dataset import IGNORED, INLIER, OUTLIER
from datamodules.datasets.bravo import BravoDataModule
from user_error import UserError


def spread(*stripes: int) -> np.ndarray:
    row = np.array(stripes, np.uint8)[np.arange(SIZE[1]) * len(stripes) // SIZE[1]]
    return np.broadcast_to(row, SIZE)


@pytest.mark.parametrize("apart", [False, True])
def test_invalid_pixels_are_outliers_where_there_are_objects(tmp_path, apart):
    truth = tmp_path / "truth" if apart else None
    make_bravo(tmp_path / "bravo", truth)
    data = BravoDataModule(str(tmp_path / "bravo"), truth=None if truth is None else str(truth), num_workers=0)
    files = data.make_dataset("test")
    assert sorted(files.ids) == sorted(name.removeprefix("bravo_") for name in BRAVO)
    found = {name.partition("/")[0]: files[at]["mask"] for at, name in enumerate(files.ids)}
    assert np.array_equal(found["ACDC"], spread(0, 10, IGNORED, IGNORED))
    assert np.array_equal(found["synrain"], found["ACDC"])
    assert np.array_equal(found["synobjs"], spread(0, 10, IGNORED, OUTLIER))
    assert np.array_equal(found["SMIYC"], spread(INLIER, INLIER, IGNORED, OUTLIER))
    meta = data.read_meta("test")
    assert {row["subset"] for row in meta.values()} == {
        "ACDCfog",
        "ACDCnight",
        "SMIYC",
        "synobjs",
        "synflare",
        "synrain",
    }
    assert meta["synrain/munster/munster_000018_000019"]["scene"] == "munster_000018_000019"
    assert len(data.compute_fingerprint("test").files) == 3 * len(BRAVO)


def test_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r"bravo_ACDC and its like is looked for.*bravo_challenge"):
        BravoDataModule(str(tmp_path)).make_dataset("test")
    make_bravo(tmp_path / "bravo")
    with pytest.raises(UserError, match="no labels of the split 'val'"):
        BravoDataModule(str(tmp_path / "bravo")).make_dataset("val")
    (tmp_path / "bravo" / "bravo_synobjs/armchair/1_mask.png").unlink()
    with pytest.raises(UserError, match=r"1\.png has no 1_mask\.png in .*truth"):
        BravoDataModule(str(tmp_path / "bravo")).make_dataset("test")


def test_both_packages_mean_the_same_values():
    for name in ("IGNORED", "OUTLIER", "INLIER"):
        assert getattr(dataset, name) == getattr(lightning_modules.labels, name)
