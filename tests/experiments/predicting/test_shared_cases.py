"""Every folder of ``../shared/cases/make_predict.py`` is segmented, or refused in the sentence that names the remedy."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CASES = Path(__file__).parents[4] / "shared" / "cases"
SEGMENTED = {
    "hidden": {"a", "b"},
    "checkpoints": {"a"},
    "rgba": {"shot"},
    "grey": {"g"},
    "cmyk": {"c"},
    "busi": {"benign (0)", "benign (1)", "benign (2)"},
    "link": {"a", "more/b"},
    "webp": {"a", "b"},
    "upper": {"IMG"},
    "dots": {"scan.2024.01.nii", "scan.2024.01"},
    "tiny": {"one", "row"},
    "sixteen": {"ct"},
    "exif": {"turned", "upright"},
}
SAID = {
    "sixteen": r"levels from black to white by the range of the file's number of bits: 1 file.*\[0, 65535\]",
    "grey": "grey repeated for red, green, blue by the checkpoint's reading",
    "busi": "3 files named after an image beside it and '_mask'",
}
REFUSED = {
    "nifti": r"the volume '.*vol\.nii\.gz' cannot be read",
    "huge": "pixels; cut it into tiles",
    "npz": r"b\.npy has 32 channels.*transpose it",
    "empty": "holds no image",
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not CASES.is_dir():
        pytest.skip("../shared/cases is not here: it lies beside the checkout of the project's developers alone")
    folder = tmp_path_factory.mktemp("cases") / "predict"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, str(CASES / "make_predict.py"), str(folder)], check=True, env=environment)
    return folder


@pytest.mark.parametrize("name", SEGMENTED)
def test_is_segmented(cases: Path, predict: Callable, tmp_path: Path, name: str) -> None:
    found = predict([cases / name], tmp_path / "out")
    assert found.status == 0, found.err
    masks = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*_mask.png")}
    assert masks == {f"{place}_mask.png" for place in SEGMENTED[name]}
    assert re.search(SAID.get(name, ""), found.out), found.out
    assert ("left out" in found.out) == (name == "busi")


def test_pictures_of_a_phone_are_upright(cases: Path, predict: Callable, tmp_path: Path) -> None:
    predict([cases / "exif"], tmp_path / "out")
    turned, upright = (Image.open(tmp_path / "out" / f"{name}_mask.png") for name in ("turned", "upright"))
    assert turned.size == upright.size == (96, 48)
    assert (np.array(turned) == np.array(upright)).mean() > 0.97  # JPEG has changed levels


def test_a_broken_file_of_many_is_told_and_the_others_are_written(
    cases: Path, predict: Callable, tmp_path: Path
) -> None:
    found = predict([cases / "broken"], tmp_path / "out")
    assert found.status == 2
    assert "not segmented: the image" in found.err
    assert re.search(
        r"^error: 1 of 5 images .* '.*2\.png'.*the results of the other 4 are written", found.err, re.MULTILINE
    )
    assert len(list((tmp_path / "out").rglob("*_mask.png"))) == 4


def test_a_damaged_series_is_told_and_pictures_beside_it_are_written(
    cases: Path, predict: Callable, tmp_path: Path
) -> None:
    found = predict([cases / "dicom"], tmp_path / "out")
    assert found.status == 2
    assert "not segmented: the DICOM file" in found.err
    assert [path.name for path in (tmp_path / "out").rglob("*_mask.png")] == ["a_mask.png"]


def test_ground_truth_beside_the_images_stays(cases: Path, predict: Callable) -> None:
    """Also where the results of an earlier call are replaced."""
    truth = {path: path.read_bytes() for path in (cases / "busi").iterdir()}
    for options in ((), ("--overwrite",)):
        found = predict([cases / "busi"], cases / "busi", *options)
        assert found.status == 2
        assert "is not what predict wrote: choose another --output" in found.err
        assert {path: path.read_bytes() for path in (cases / "busi").iterdir()} == truth


def test_the_second_of_two_names_is_told(cases: Path, predict: Callable, tmp_path: Path) -> None:
    found = predict([cases / "twins"], tmp_path / "out")
    assert found.status == 2
    assert re.search("would be written as .*: predict them apart", found.err)
    assert len(list((tmp_path / "out").rglob("*_mask.png"))) == 1


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_by_its_remedy(cases: Path, predict: Callable, tmp_path: Path, name: str) -> None:
    found = predict([cases / name], tmp_path / "out")
    assert found.status == 2
    assert re.search(REFUSED[name], found.err), found.err
    assert not (tmp_path / "out").exists()
