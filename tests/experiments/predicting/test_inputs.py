import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_folder import make_tiny_folder

from experiments.predicting.inputs import find_inputs
from experiments.predicting.marked_results import write_result
from user_error import UserError

PICTURE = Image.fromarray(np.zeros((2, 3), np.uint8))


def save(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        PICTURE.save(path)


def test_each_file_is_met_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "photos/a.png", tmp_path / "photos/more/b.png")
    (tmp_path / "photos/0.png").symlink_to("a.png")
    (tmp_path / "other").symlink_to("photos")
    monkeypatch.chdir(tmp_path)
    found = find_inputs([Path(name) for name in ("photos", "./photos", "other/more", "photos/../photos/a.png")])
    assert {place: str(path) for place, path in found.files.items()} == {
        "a": "photos/a.png",
        "more/b": "photos/more/b.png",
    }
    assert [str(path) for path in found.repeated] == [
        *(
            "photos/0.png",
            "photos/a.png",
            "photos/more/b.png",
            "photos/0.png",
            "other/more/b.png",
            "photos/../photos/a.png",
        )
    ]


def test_results_of_an_earlier_call_are_left_out_whatever_their_names(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    write_result(PICTURE, tmp_path / "old/a_mask.png")
    (tmp_path / "old/a_mask.png").rename(tmp_path / "renamed.png")
    found = find_inputs([tmp_path])
    assert list(found.files) == ["a"]
    assert "1 file from an earlier predict" in found.describe_left_out()[0]
    with pytest.raises(UserError, match=r"no image to segment .*an earlier predict"):
        find_inputs([tmp_path / "renamed.png"])


def test_a_mask_is_left_out_beside_its_image_alone(tmp_path: Path) -> None:
    save(tmp_path / "a.png", tmp_path / "a_mask.png", tmp_path / "b_mask.png", tmp_path / "more/a_mask.png")
    assert list(find_inputs([tmp_path]).files) == ["a", "b_mask", "more/a_mask"]
    assert list(find_inputs([tmp_path / "a_mask.png"]).files) == ["a_mask"]


def test_masks_of_a_data_set_are_left_out(tmp_path: Path) -> None:
    make_tiny_folder(tmp_path / "data", 2)
    found = find_inputs([tmp_path / "data"])
    assert len(found.masks) == len(found.files) == 9
    assert {file.parent.name for file in found.masks} == {"masks"}
    assert len(find_inputs([tmp_path / "data" / "test" / "masks"]).files) == 3  # asked for
    shutil.rmtree(tmp_path / "data" / "val" / "images")
    assert len(find_inputs([tmp_path / "data" / "val"]).files) == 3  # of no images


@pytest.mark.parametrize(("one", "other"), [("x/a.png", "y/a.jpg"), ("x/\u00e9.png", "y/e\u0301.png")])
def test_the_second_of_one_name_is_told(tmp_path: Path, one: str, other: str) -> None:
    save(tmp_path / one, tmp_path / other)
    found = find_inputs([tmp_path / "x", tmp_path / other])
    assert [*found.files.values()] == [tmp_path / one]
    assert [*found.failures] == [tmp_path / other]
    assert "predict them apart" in found.failures[tmp_path / other]


@pytest.mark.parametrize("pattern", ["", "*"])
def test_one_bad_name_does_not_stop_the_others(tmp_path: Path, pattern: str) -> None:
    """In a folder, or among what a pattern matches."""
    save(tmp_path / "a.jpg", tmp_path / "a.png", tmp_path / "b.png")
    (tmp_path / "c.png").symlink_to("gone")
    found = find_inputs([tmp_path / pattern])
    assert [*found.files] == ["a", "b"]
    reasons = {file.name: reason for file, reason in found.failures.items()}
    assert "predict them apart" in reasons.pop("a.png")
    assert "a link to 'gone', which does not exist" in reasons.pop("c.png")
    assert not reasons


def test_a_name_that_is_not_utf_8_becomes_one_that_is(tmp_path: Path) -> None:
    save(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")))
    assert list(find_inputs([tmp_path]).files) == ["caf\u00e9"]


@pytest.mark.parametrize(("target", "says"), [(None, "no image and no folder"), ("gone", "link to 'gone'")])
def test_what_is_not_there(tmp_path: Path, target: str | None, says: str) -> None:
    if target:
        (tmp_path / "x.png").symlink_to(target)
    with pytest.raises(UserError, match=says):
        find_inputs([tmp_path / "x.png"])
