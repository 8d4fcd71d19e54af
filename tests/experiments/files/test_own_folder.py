"""A folder that is replaced only where all in it is what was written before."""

from pathlib import Path

import pytest

from experiments.files.own_folder import write_own_folder
from user_error import UserError


def write(folder: Path, **contents: str) -> None:
    write_own_folder(folder, {f"{name}/x": text.encode() for name, text in contents.items()}, "index.json", {"a": 1})


def test_it_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "site"
    folder.mkdir(parents=True)  # an empty one is nobody's
    write(folder, one="1", two="2")
    first = (folder / "index.json").read_bytes()
    write(folder, one="1", two="2")
    assert (folder / "index.json").read_bytes() == first
    write(folder, two="3")
    assert sorted(path.name for path in folder.iterdir()) == ["index.json", "two"]
    assert (folder / "two" / "x").read_text() == "3"
    assert [path.name for path in folder.parent.iterdir()] == ["site"]


def test_nothing_of_others_is_lost(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    write(tmp_path / "site", one="1")
    for name, said in (("theirs", "'thesis.tex' among them"), ("file", "is no folder"), ("link", "is no folder")):
        with pytest.raises(UserError, match=said):
            write(tmp_path / name, one="1")
    (tmp_path / "site" / "one" / "x").write_text("by hand")
    with pytest.raises(UserError, match="was changed since"):
        write(tmp_path / "site", one="1")
    (tmp_path / "site" / "one" / "x").write_text("1")
    (tmp_path / "site" / "one" / "y").write_text("")
    with pytest.raises(UserError, match="is not among the files"):
        write(tmp_path / "site", one="1")
    (tmp_path / "site" / "one" / "y").unlink()
    (tmp_path / "site" / "index.json").write_text("[")
    with pytest.raises(UserError, match="remove the folder"):
        write(tmp_path / "site", one="1")
    assert (tmp_path / "theirs" / "thesis.tex").read_text() == "x"


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    write(tmp_path / "site", one="1")
    with pytest.raises(OSError, match="long"):
        write(tmp_path / "site", **{"n" * 300: "1"})
    assert (tmp_path / "site" / "one" / "x").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
