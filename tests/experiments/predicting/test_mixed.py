"""Folders of many kinds in one call, patterns, and results that must not leave the output folder."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from medical_files import make_dicom, make_levels, save_dicom, save_series, save_volume
from PIL import Image

from experiments.predicting.inputs import find_inputs
from user_error import UserError


def save_picture(path: Path, shape: tuple[int, ...] = (20, 30, 3), dtype: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 200, shape).astype(dtype)).save(path)


def test_a_folder_of_all_kinds_goes_through_at_once(predict_levels: Callable, tmp_path: Path) -> None:
    """Each file by its own rules; one of them is damaged."""
    place = tmp_path / "in"
    save_picture(place / "photo.png")
    save_picture(place / "more/photo.jpg", (33, 17, 3))
    save_picture(place / "deep.png", (10, 12), np.uint16)
    colours = np.full((8, 11, 3), 20_000, np.uint16)
    colours[:, 5:] = 40_000
    cv2.imwrite(str(place / "deep_colours.png"), colours)
    pages = [Image.fromarray(np.full((6 + k, 9, 3), 60 * k, np.uint8)) for k in range(3)]
    pages[0].save(place / "pages.tif", save_all=True, append_images=pages[1:])
    save_volume(place / "volume.nii.gz", make_levels(9, 8)[..., None].repeat(3, 2), cal_min=0, cal_max=200)
    save_series(place / "series", WindowCenter=500, WindowWidth=1000)
    (place / "broken.png").write_bytes((place / "photo.png").read_bytes()[:300])
    (place / "notes.txt").write_text("no image")
    found = predict_levels([place], tmp_path / "out", "--uncertainty")
    assert found.status == 2
    assert "error: 1 of 10 images could not be segmented" in found.err
    assert "broken.png" in found.err
    assert "left out: 1 file of kinds that are not read (1 .txt)" in found.out
    for rule in ("range of the file's number of bits: 2 files", "file's own window: 4 files", "grey repeated for"):
        assert rule in found.out
    written = {
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()
    }
    kinds = ("mask", "overlay", "entropy")
    pictures = [
        "photo",
        "more/photo",
        "deep",
        "deep_colours",
        *(f"pages_000{k}" for k in range(3)),
        *(f"series/{k}" for k in (1, 2, 3)),
    ]
    assert written == {
        *(f"{name}_{kind}.png" for name in pictures for kind in kinds),
        *("predictions.csv", "series/1_seg.dcm", "volume_mask.nii.gz", "volume_entropy.nii.gz"),
        *(f"volume/axial_000{k}_overlay.png" for k in range(3)),
    }
    np.testing.assert_array_equal(Image.open(tmp_path / "out/deep_colours_mask.png"), colours[..., 0] > 30_000)


def test_a_pattern_that_no_shell_expanded(tmp_path: Path) -> None:
    for name in ("a1.png", "a2.png", "b1.png", "more/a3.png", "more/deep/a4.png"):
        save_picture(tmp_path / name)
    (tmp_path / "a9.txt").write_text("")
    assert list(find_inputs([tmp_path / "a*.png"]).files) == ["a1", "a2"]
    found = find_inputs([tmp_path / "a*"])
    assert (list(found.files), found.unread) == (["a1", "a2"], {".txt": 1})
    assert list(find_inputs([tmp_path / "**/a*.png"]).files) == ["a1", "a2", "more/a3", "more/deep/a4"]
    assert list(find_inputs([tmp_path / "m*"]).files) == ["more/a3", "more/deep/a4"]
    with pytest.raises(UserError, match=r"no file matches the pattern '.*c\*\.png'"):
        find_inputs([tmp_path / "c*.png"])
    save_picture(tmp_path / "[1].png")
    assert list(find_inputs([tmp_path / "[1].png"]).files) == ["[1]"]  # there under its own name


def test_numbers_are_no_suffixes_of_dicom_files(predict_levels: Callable, tmp_path: Path) -> None:
    for number in range(2):
        save_dicom(
            make_dicom(make_levels(), depth=2.0 * number, WindowCenter=9, WindowWidth=90), tmp_path / f"in/IM.{number}"
        )
    (tmp_path / "in/DICOMDIR").write_bytes((tmp_path / "in/IM.0").read_bytes())
    assert predict_levels([tmp_path / "in"], tmp_path / "out").status == 0
    assert {path.name for path in (tmp_path / "out").glob("*_mask.png")} == {"IM.0_mask.png", "IM.1_mask.png"}


def test_results_stay_in_their_folder(predict_levels: Callable, tmp_path: Path) -> None:
    save_picture(tmp_path / "in/more/a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/more").symlink_to(tmp_path / "elsewhere")
    found = predict_levels([tmp_path / "in"], tmp_path / "out")
    assert found.status == 2
    assert "is a link that leads out of" in found.err
    assert not list((tmp_path / "elsewhere").iterdir())


def test_results_of_one_name_are_refused(predict_levels: Callable, tmp_path: Path) -> None:
    pages = [Image.fromarray(np.zeros((6, 9, 3), np.uint8))] * 2
    (tmp_path / "in").mkdir()
    pages[0].save(tmp_path / "in/a.tif", save_all=True, append_images=pages[1:])
    save_picture(tmp_path / "in/a_0001.png")
    found = predict_levels([tmp_path / "in"], tmp_path / "out")
    assert "would both be written as" in found.err
    assert not (tmp_path / "out").exists()


def test_a_case_without_all_of_its_channels_is_told(predict_levels: Callable, tmp_path: Path) -> None:
    for name in ("a_0000", "a_0001", "b_0000", "b_0001", "b_0002"):
        save_picture(tmp_path / f"in/{name}.png", (6, 9))
    found = predict_levels([tmp_path / "in"], tmp_path / "out")
    assert (
        "1 case without some of the network's channels, whose files are images of their own, the first is 'a'"
        in found.out
    )
    assert {path.name for path in (tmp_path / "out").glob("*_mask.png")} == {
        *("a_0000_mask.png", "a_0001_mask.png", "b_mask.png")
    }


def test_a_second_call_adds_its_rows(predict_levels: Callable, tmp_path: Path) -> None:
    for name in "ab":
        save_picture(tmp_path / f"{name}.png")
        assert predict_levels([tmp_path / f"{name}.png"], tmp_path / "out").status == 0
    lines = (tmp_path / "out/predictions.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["image", "a", "a", "b", "b"]
    (tmp_path / "out/predictions.csv").write_text("mine\n")
    save_picture(tmp_path / "c.png")
    assert "is not what predict wrote" in predict_levels([tmp_path / "c.png"], tmp_path / "out").err
    assert not (tmp_path / "out/c_mask.png").exists()
