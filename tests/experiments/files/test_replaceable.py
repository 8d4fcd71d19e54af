"""Commands overwrite the files that they wrote, and no other files of the user."""

import json
from pathlib import Path

import pytest
from command_line import read_refusal
from matplotlib.figure import Figure
from PIL import Image

from experiments.files.replaceable import print_and_save, require_json, require_marked, require_picture, require_text
from experiments.pictures.figures import FORMATS, save_figure
from experiments.pictures.overlays import save
from user_error import UserError


def test_a_picture_of_the_user_stays(tmp_path: Path) -> None:
    path = tmp_path / "p00.png"
    Image.new("RGB", (8, 8)).save(path)
    before = path.read_bytes()
    with pytest.raises(UserError, match="was not drawn by this command"):
        require_picture(path)
    assert "was not drawn" in read_refusal("corruptions", f"--image={path}", "--suite=smoke", f"--output={path}")
    assert path.read_bytes() == before
    with pytest.raises(UserError, match=r"must be named \*\.png"):
        require_picture(tmp_path / "meta.csv")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_figure_of_ours_is_drawn_again(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"figure{suffix}"
    require_picture(path, FORMATS)
    save_figure(Figure(), path)
    require_picture(path, FORMATS)


def test_a_sheet_of_ours_is_drawn_again(tmp_path: Path) -> None:
    save(Image.new("RGB", (8, 8)), tmp_path / "check.png")
    require_picture(tmp_path / "check.png")


def test_json_of_another_kind_stays(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    for content, replaceable in (("[]", True), ('{"cells": []}', False), ("{", False)):
        path.write_text(content)
        if replaceable:
            require_json(path, lambda found: isinstance(found, list), "findings")
        else:
            with pytest.raises(UserError, match="holds no findings"):
                require_json(path, lambda found: isinstance(found, list), "findings")
    with pytest.raises(UserError, match=r"must be named \*\.json"):
        require_json(tmp_path / "dataset.yaml", lambda _: True, "findings")


def test_what_has_no_mark_stays(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    require_marked(path, b"ours", "network")
    for content in (b"something of ours", b"mine"):
        path.write_bytes(content)
        if b"ours" in content:
            require_marked(path, b"ours", "network")
        else:
            with pytest.raises(UserError, match="is there and holds no network: name another file"):
                require_marked(path, b"ours", "network")


@pytest.mark.parametrize("name", ["record.json", "best.ckpt", "dataset.yaml", "mask.PNG"])
def test_a_table_is_written_over_nothing_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    require_text(path)
    path.write_text(json.dumps({"cells": []}))
    with pytest.raises(UserError, match="is no table"):
        print_and_save("| a |\n", path)
    assert json.loads(path.read_text()) == {"cells": []}


def test_a_table_is_written_again(tmp_path: Path) -> None:
    for name in ("board.md", "board.json", "board.csv"):
        print_and_save("[]", tmp_path / name)
        print_and_save("[1]", tmp_path / name)
        assert (tmp_path / name).read_text() == "[1]"
