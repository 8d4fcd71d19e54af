import csv
from pathlib import Path

import numpy as np
import pytest

from experiments.predicting.prediction_table import NAME, OF_IMAGE, Tally, make_rows, write_table
from user_error import UserError

TALLY = Tally(np.array([6, 0]), np.array([4.5, 0.0]))


def rows_of(image: str) -> list[dict[str, object]]:
    return make_rows(image, ["a, b", "=1+1"], TALLY, part="3", pixel_area=0.25)


def read(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / NAME).open()))


def test_what_is_counted(tmp_path: Path) -> None:
    write_table(rows_of("x"), tmp_path)
    first, second = (
        {name: value for name, value in row.items() if name not in (*OF_IMAGE, "check")} for row in read(tmp_path)
    )
    assert first == {
        **{"image": "x", "slice": "3", "class": "a, b", "pixels": "6"},
        **{"area_mm2": "1.5", "volume_mm3": "", "confidence": "0.75"},
    }
    assert second["confidence"] == ""
    assert second["class"] == "'=1+1"


def test_rows_of_other_images_stay(tmp_path: Path) -> None:
    for image in ("-x", "y", "-x", "z"):
        write_table(rows_of(image), tmp_path)
    assert [row["image"] for row in read(tmp_path)] == ["y", "y", "'-x", "'-x", "z", "z"]


@pytest.mark.parametrize("change", ["edited", "columns", "other", "link"])
def test_what_predict_did_not_write_stays(tmp_path: Path, change: str) -> None:
    path = write_table(rows_of("x"), tmp_path)
    text = path.read_text()
    if change == "edited":
        path.write_text(text.replace("1.5", "2.5"))
    elif change == "columns":
        path.write_text(text.replace("check", "notes"))
    elif change == "other":
        path.write_bytes(b"\xff\0no table")
    else:
        path.rename(tmp_path / "mine.csv")
        path.symlink_to("mine.csv")
    before = path.read_bytes()
    with pytest.raises(UserError, match="is not what predict wrote"):
        write_table(rows_of("z"), tmp_path)
    assert path.read_bytes() == before
