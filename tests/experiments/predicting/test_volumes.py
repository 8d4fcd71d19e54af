"""NIfTI volumes to label volumes on the same grid, read back by nibabel."""

import csv
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from medical_files import save_volume
from PIL import Image

from datamodules.reading.nifti import PLANES

SHAPE = (6, 9, 5)
OBLIQUE = np.array([[0, 0.25, 0, 3], [-0.5, 0, 0.01, 4], [0, 0.01, 2, 5], [0, 0, 0, 1]])
"""Of axes in another order than the body's, one of them backwards."""


def make_levels(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1000, shape).astype(np.int16)


@pytest.mark.parametrize("axis", PLANES)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_every_voxel_is_where_it_was(predict_levels: Callable, tmp_path: Path, axis: str, ending: str) -> None:
    levels = make_levels()
    save_volume(tmp_path / f"case{ending}", levels, OBLIQUE, xyzt_units=2)
    words = ("--window", "-500", "500", "--axis", axis, "--uncertainty")
    found = predict_levels([tmp_path / f"case{ending}"], tmp_path / "out", *words)
    assert found.status == 0, found.err
    assert r"levels from black to white by --window: 1 file" in found.out
    mask, entropy = (nibabel.load(tmp_path / f"out/case_{kind}.nii.gz") for kind in ("mask", "entropy"))
    np.testing.assert_array_equal(np.asarray(mask.dataobj), levels > 0)
    assert mask.get_data_dtype() == np.uint8
    assert entropy.get_data_dtype() == np.float32
    original = nibabel.load(tmp_path / f"case{ending}")
    for image in (mask, entropy):
        np.testing.assert_array_equal(image.affine, original.affine)
        assert image.header.get_xyzt_units()[0] == "mm"
        assert (image.header["qform_code"], image.header["sform_code"]) == (
            original.header["qform_code"],
            original.header["sform_code"],
        )
    values = np.asarray(entropy.dataobj)
    assert values.min() >= 0
    assert values.max() <= 1
    sure = np.abs(levels.astype(float)) > 400
    assert values[sure].mean() < values[~sure].mean()
    stands = {"axial": 2, "coronal": 0, "sagittal": 1}[axis]  # the stored axis, by the affine above
    assert len(list((tmp_path / "out/case").glob(f"{axis}_*_overlay.png"))) == SHAPE[stands]


def test_areas_and_volumes_are_counted(predict_levels: Callable, tmp_path: Path) -> None:
    levels = make_levels()
    save_volume(tmp_path / "case.nii", levels)
    predict_levels([tmp_path / "case.nii"], tmp_path / "out", "--window", "-500", "500")
    rows = [row for row in csv.DictReader((tmp_path / "out/predictions.csv").open()) if row["class"] == "disc"]
    for number, row in enumerate(rows[:-1]):
        counted = int((levels[..., number] > 0).sum())
        assert (row["image"], row["slice"], int(row["pixels"])) == ("case", str(number), counted)
        assert float(row["area_mm2"]) == pytest.approx(counted * 0.5 * 0.25)
    assert rows[-1]["slice"] == "all"
    assert float(rows[-1]["volume_mm3"]) == pytest.approx((levels > 0).sum() * 0.5 * 0.25 * 2)
    assert 0.5 < float(rows[-1]["confidence"]) < 1


@pytest.mark.parametrize(
    ("options", "header", "data", "threshold", "rule"),
    [
        (("--window", "0", "100"), {}, {}, 50, r"by --window: 1 file, the first is '.*' with [0, 100]"),
        (("--percentiles", "0", "100"), {}, {}, 0, "by --percentiles"),
        ((), {"cal_min": 100, "cal_max": 300}, {}, 200, "by the file's own window"),
        ((), {"cal_min": 100, "cal_max": 300}, {"window": [-300, 100]}, -100, "by the window of the checkpoint's data"),
    ],
)
def test_levels_by_rules(
    predict_levels: Callable, tmp_path: Path, options: tuple, header: dict, data: dict, threshold: int, rule: str
) -> None:
    levels = make_levels()
    levels[0, 0, :2] = (-1000, 1000)
    save_volume(tmp_path / "case.nii.gz", levels, **header)
    found = predict_levels([tmp_path / "case.nii.gz"], tmp_path / "out", *options, **data)
    assert rule.split(":")[0] in found.out, found.err
    mask = np.asarray(nibabel.load(tmp_path / "out/case_mask.nii.gz").dataobj)
    clear = np.abs(levels.astype(int) - threshold) > 5
    np.testing.assert_array_equal(mask[clear], (levels > threshold)[clear])


def test_modalities_of_a_case_are_channels(predict_levels: Callable, tmp_path: Path) -> None:
    levels = make_levels()
    for number in range(2):
        save_volume(tmp_path / f"in/a_000{number}.nii.gz", levels if number == 0 else -levels)
        save_volume(tmp_path / f"in/alone_000{3 * number}.nii.gz", levels)
    found = predict_levels([tmp_path / "in"], tmp_path / "out", "--window", "-500", "500", channels=["T1", "T2"])
    assert found.status == 2
    assert "alone_0000.nii.gz" in found.err
    assert "has 1 channels, but the data are described with 2" in found.err
    np.testing.assert_array_equal(np.asarray(nibabel.load(tmp_path / "out/a_mask.nii.gz").dataobj), levels > 0)


def test_modalities_of_different_grids_are_refused(predict_levels: Callable, tmp_path: Path) -> None:
    for number in range(2):
        save_volume(tmp_path / f"a_000{number}.nii", make_levels((6, 9, 5 + number)))
    found = predict_levels([tmp_path], tmp_path / "out", "--window", "0", "1", channels=["T1", "T2"])
    assert "the channels of the case 'a' differ in their grid" in found.err


def test_texts_of_the_header_stay_behind(predict_levels: Callable, tmp_path: Path) -> None:
    save_volume(
        tmp_path / "case.nii",
        make_levels(),
        descrip=b"Doe^Jane",
        db_name=b"Doe",
        aux_file=b"../Doe",
        intent_name=b"Doe",
    )
    assert predict_levels([tmp_path / "case.nii"], tmp_path / "out", "--window", "0", "9").status == 0
    header = nibabel.load(tmp_path / "out/case_mask.nii.gz").header
    assert b"Doe" not in header.binaryblock
    assert {path.name for path in tmp_path.iterdir()} == {"case.nii", "out"}


def test_refusals(predict_levels: Callable, tmp_path: Path) -> None:
    save_volume(tmp_path / "none.nii", make_levels())
    found = predict_levels([tmp_path / "none.nii"], tmp_path / "out")
    assert "pass --window LOW HIGH, or --percentiles 0.5 99.5" in found.err
    empty = make_levels().astype(np.float32)
    empty[3, 3, 3] = np.nan
    save_volume(tmp_path / "nan.nii", empty)
    found = predict_levels([tmp_path / "nan.nii"], tmp_path / "out", "--window", "0", "1")
    assert "(axial slice 3) holds levels that are not finite numbers" in found.err
    assert not (tmp_path / "out/nan_mask.nii.gz").exists()
    for words, says in (
        (("--window", "5", "1"), "give the lower level first"),
        (("--percentiles", "5", "101"), "from 0 to 100"),
        (("--window", "0", "1", "--percentiles", "0", "1"), "give one"),
    ):
        assert says in predict_levels([tmp_path / "none.nii"], tmp_path / "out", *words).err


def test_only_what_was_written_is_replaced(predict_levels: Callable, tmp_path: Path) -> None:
    save_volume(tmp_path / "case.nii.gz", make_levels())
    words = ("--window", "-500", "500")
    assert predict_levels([tmp_path], tmp_path, *words).status == 0
    again = predict_levels([tmp_path], tmp_path, *words, "--overwrite")
    assert again.status == 0, again.err
    assert "6 files from an earlier predict" in again.out
    mask = nibabel.load(tmp_path / "case_mask.nii.gz")
    nibabel.Nifti1Image(np.asarray(mask.dataobj) * 2, None, mask.header).to_filename(tmp_path / "case_mask.nii.gz")
    refused = predict_levels([tmp_path], tmp_path, *words, "--overwrite")
    assert "case_mask.nii.gz' is there, and is not what predict wrote" in refused.err


def test_pages_and_depths_of_tiff(predict_levels: Callable, tmp_path: Path) -> None:
    import tifffile

    pages = np.random.default_rng(1).integers(0, 65536, (3, 20, 30)).astype(np.uint16)
    folder = tmp_path / "in"
    folder.mkdir()
    tifffile.imwrite(folder / "pages.tif", pages, photometric="minisblack")
    colours = np.stack([pages[0]] * 3, -1)
    tifffile.imwrite(folder / "colours.tif", colours, photometric="rgb", compression="zlib")
    tifffile.imwrite(folder / "planes.tif", colours.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    found = predict_levels([folder], tmp_path / "out")
    assert found.status == 0, found.err
    assert "by the range of the file's number of bits: 3 files" in found.out
    clear = np.abs(pages.astype(int) - 32767) > 200
    for number in range(3):
        mask = np.array(Image.open(tmp_path / f"out/pages_000{number}_mask.png"))
        np.testing.assert_array_equal(mask[clear[number]], (pages[number] > 32767)[clear[number]])
    for name in ("colours", "planes"):
        mask = np.array(Image.open(tmp_path / f"out/{name}_mask.png"))
        np.testing.assert_array_equal(mask[clear[0]], (pages[0] > 32767)[clear[0]])
    rows = list(csv.DictReader((tmp_path / "out/predictions.csv").open()))
    assert {row["slice"] for row in rows if row["image"] == "pages"} == {"0", "1", "2"}
    assert {row["area_mm2"] for row in rows} == {""}


def test_tiff_of_many_channels_and_of_floats(predict_levels: Callable, tmp_path: Path) -> None:
    import tifffile

    levels = np.random.default_rng(1).integers(0, 256, (20, 30, 5)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "many.tif", levels, photometric="minisblack", planarconfig="contig")
    found = predict_levels([tmp_path / "many.tif"], tmp_path / "out", channels=list("abcde"))
    assert found.status == 0, found.err
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out/many_mask.png")), levels[..., 0] > 127)
    refused = predict_levels([tmp_path / "many.tif"], tmp_path / "two", channels=["a", "b"])
    assert "has 5 channels, but the data are described with 2" in refused.err
    tifffile.imwrite(tmp_path / "float.tif", levels[..., 0].astype(np.float32))
    assert "pass --window LOW HIGH" in predict_levels([tmp_path / "float.tif"], tmp_path / "two").err
    assert predict_levels([tmp_path / "float.tif"], tmp_path / "two", "--window", "0", "255").status == 0
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "two/float_mask.png")), levels[..., 0] > 127)
    tifffile.imwrite(tmp_path / "nan.tif", np.full((4, 4), np.nan, np.float32))
    assert "not finite numbers" in predict_levels([tmp_path / "nan.tif"], tmp_path / "three", "--window", "0", "1").err


def test_pictures_of_a_case_and_frames_of_a_film(predict_levels: Callable, tmp_path: Path) -> None:
    """Names alone do not make channels: those of a film are colours."""
    random = np.random.default_rng(0)
    for number in range(3):
        grey = random.integers(0, 256, (8, 9), dtype=np.uint8)
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(grey).save(tmp_path / f"in/case_000{number}.png")
        Image.fromarray(np.stack([grey] * 3, 2)).save(tmp_path / f"in/film_000{number}.png")
    found = predict_levels([tmp_path / "in"], tmp_path / "out")
    assert found.status == 0, found.err
    masks = {path.name for path in (tmp_path / "out").glob("*_mask.png")}
    assert masks == {"case_mask.png", *(f"film_000{number}_mask.png" for number in range(3))}
    first = np.array(Image.open(tmp_path / "in/case_0000.png"))
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out/case_mask.png")), first > 127)


def test_grey_is_repeated_where_it_is_said(predict_levels: Callable, tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "g.png")
    data = {"channels": ["T1", "T2", "T3"]}
    refused = predict_levels([tmp_path / "g.png"], tmp_path / "out", **data)
    assert refused.status == 2
    assert "--repeat-grey repeats one channel for all" in refused.err
    found = predict_levels([tmp_path / "g.png"], tmp_path / "out", "--repeat-grey", **data)
    assert "grey repeated for T1, T2, T3 by --repeat-grey: 1 file" in found.out
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out/g_mask.png")), grey > 127)
