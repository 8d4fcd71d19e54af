from pathlib import Path

import pytest

from datamodules.reading.lists import Lists
from user_error import UserError

STEMS = {"train": ["Zürich 1", "b"], "val": ["c"], "test": ["d"]}
ROWS = "\n".join(f"{split},{stem}" for split, stems in STEMS.items() for stem in stems)


@pytest.mark.parametrize(
    "content",
    [
        f"split,stem\n{ROWS}\n".encode(),
        f"split,stem\n{ROWS}\n".encode("utf-8-sig"),
        f"split,stem\r\n{ROWS}\r\n".encode("utf-16"),
        f"split,stem\n{ROWS}\n".encode("latin-1"),
        f"split;stem\n{ROWS}\n;\n\n".replace(",", ";").encode(),
        f"split\tstem\n{ROWS}\n".replace(",", "\t").encode(),
        f"Split, Stem\n{ROWS}\n".replace(",", " , ").replace("val", "Valid").replace("test", "Testing").encode(),
    ],
    ids=["utf8", "bom", "utf16", "latin1", "semicolons", "tabs", "spaces"],
)
def test_tables_as_people_write_them(tmp_path: Path, content: bytes):
    (tmp_path / "meta.csv").write_bytes(content)
    assert Lists(tmp_path, {}).read_lists() == STEMS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_lists_as_people_write_them(tmp_path: Path, encoding: str):
    for split, stems in STEMS.items():
        (tmp_path / f"{split}.txt").write_bytes("\r\n".join(stems).encode(encoding))
    assert Lists(tmp_path, {}).read_lists() == STEMS


def test_a_text_that_is_not_utf_8_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "train.txt").write_bytes("Zürich".encode("latin-1"))
    Lists(tmp_path, {}).read_lists()
    Lists(tmp_path, {}).read_lists()
    assert capfd.readouterr().err.count("is not in UTF-8: it is read as Latin-1") == 1


def test_ways_that_say_the_same_agree(tmp_path: Path):
    (tmp_path / "train.txt").write_text("a.png\nb\n")
    assert Lists(tmp_path, {"train": ["b", "a"]}).read_lists()["train"] == ["b", "a"]
    with pytest.raises(
        UserError, match=r"the split 'train' in two ways that differ, in `splits` of .* and in the text files"
    ):
        Lists(tmp_path, {"train": ["b"]}).read_lists()
    (tmp_path / "training.txt").write_text("a\n")
    with pytest.raises(UserError, match="two lists of the split 'train'"):
        Lists(tmp_path, {}).read_lists()


def test_an_image_stands_once(tmp_path: Path):
    (tmp_path / "meta.csv").write_text("split,stem,patient\ntrain,a,1\ntrain,a.png,2\n")
    with pytest.raises(UserError, match="two rows of 'a' in the split 'train'"):
        Lists(tmp_path, {}).read_rows("train")
    with pytest.raises(UserError, match="lists 'a' twice"):
        Lists(tmp_path, {"train": ["a", "a.png"]}).read_lists()


def test_what_yaml_has_read_as_another_thing(tmp_path: Path):
    with pytest.raises(UserError, match="lists True, as YAML reads it: write names between quotes"):
        Lists(tmp_path, {"train": [True]}).read_lists()
