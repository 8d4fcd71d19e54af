from pathlib import Path

import numpy as np
import pytest

from datamodules.reading.pairs import Naming, Pair, pair, require_present
from user_error import UserError


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_pairs_are_listed_by_name(tmp_path: Path, write):
    for name in ("b", "a", "sub/c", ".hidden", ".cache/d"):
        write(tmp_path / "images" / f"{name}.jpg", np.zeros((4, 4, 3), np.uint8))
        write(tmp_path / "masks" / f"{name}.png", np.zeros((4, 4), np.uint8))
    (tmp_path / "images" / "notes.txt").write_text("not an image")
    assert [one.id for one in pair(tmp_path)] == ["a", "b", "sub/c"]
    assert [one.id for one in pair(tmp_path, ["b"])] == ["b"]
    with pytest.raises(UserError, match=r"1 listed images are missing .* 'z'"):
        pair(tmp_path, ["b", "z"])
    with pytest.raises(UserError, match="does not exist"):
        pair(tmp_path / "elsewhere")
    write(tmp_path / "images" / "a.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UserError, match=r"a\.jpg and .*a\.png have the same name"):
        pair(tmp_path)


def test_pairs_that_are_not_complete(tmp_path: Path, write):
    for name in ("a", "b", "c"):
        write(tmp_path / "images" / f"{name}.jpg", np.zeros((4, 4, 3), np.uint8))
    write(tmp_path / "masks" / "a.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(UserError, match=r"2 images have no mask in .*masks, the first is 'b'"):
        pair(tmp_path)
    for name in ("b", "c", "d"):
        write(tmp_path / "masks" / f"{name}.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(UserError, match=r"1 masks have no image in .*images, the first is 'd'"):
        pair(tmp_path)
    with pytest.raises(UserError, match=r"1 listed files are missing, the first is .*gone\.png"):
        require_present([Pair("a", tmp_path / "images" / "a.jpg", tmp_path / "gone.png")])


@pytest.mark.parametrize("ending", ["_mask", "_segmentation", ".jpg", "-gt"])
def test_masks_with_an_ending_of_their_own(tmp_path: Path, ending: str):
    put(tmp_path, *(f"images/{name}.jpg" for name in "ab"), *(f"masks/{name}{ending}.png" for name in "ab"))
    with pytest.raises(UserError, match=f"add the line `mask_suffix: {ending}`"):
        pair(tmp_path)
    assert [one.id for one in pair(tmp_path, naming=Naming(mask_suffix=ending))] == ["a", "b"]


def test_images_and_masks_side_by_side(tmp_path: Path):
    put(tmp_path, *(f"all/benign ({number}){end}.png" for number in (1, 2) for end in ("", "_mask")))
    found = pair(tmp_path, naming=Naming("all", "all", mask_suffix="_mask"))
    assert [(one.id, one.image.name, one.mask.name) for one in found] == [
        (f"benign ({number})", f"benign ({number}).png", f"benign ({number})_mask.png") for number in (1, 2)
    ]
    (tmp_path / "all" / "benign (2)_mask.png").unlink()
    with pytest.raises(UserError, match="1 images have no mask"):
        pair(tmp_path, naming=Naming("all", "all", mask_suffix="_mask"))


def test_a_pair_of_which_no_file_is_read_is_not_passed_over(tmp_path: Path):
    put(tmp_path, "images/a.png", "masks/a.png", "images/b.nii.gz", "masks/b.nii.gz", "images/readme.txt")
    with pytest.raises(UserError, match=r"1 pairs in .* of kinds that are not read, the first is 'b\.nii\.gz'"):
        pair(tmp_path)
    (tmp_path / "images" / "b.nii.gz").rename(tmp_path / "images" / "b.png")
    with pytest.raises(UserError, match=r"1 images have no mask .*b\.nii\.gz is not read; convert it"):
        pair(tmp_path)
    (tmp_path / "masks" / "a.png").unlink()
    with pytest.raises(UserError, match=r"masks holds no file that is read \(1 of \.nii\.gz\)"):
        pair(tmp_path)


def test_listed_names_are_found_as_people_write_them(tmp_path: Path):
    put(tmp_path, *(f"{kind}/p/{name}.png" for kind in ("images", "masks") for name in ("0001", "0002", "x.y")))
    assert [one.id for one in pair(tmp_path, ["p/0001.png", "p\\0002", "p/x.y"])] == ["p/0001", "p/0002", "p/x.y"]


def test_zeros_that_a_spreadsheet_dropped_are_named(tmp_path: Path):
    put(tmp_path, *(f"{kind}/{name}.png" for kind in ("images", "masks") for name in ("0001", "0002")))
    with pytest.raises(UserError, match="the first is '1' where the file is named '0001': a spreadsheet or YAML"):
        pair(tmp_path, ["1", "2"])
