"""Which networks and data a page is opened with, and which are refused before it is."""

import ast
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from command_line import ROOT, read_refusal
from PIL import Image

from datamodules.datasets.synthetic import name_classes
from experiments.command_line.verb_parser import parse
from experiments.commands.evaluate.demo import open_page_viewer, show_page
from experiments.demo.opening import open_viewer
from experiments.demo.serving import LOOPBACK, require_free_port
from user_error import UserError

Make = Callable[..., Path]


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which a program listens."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        yield taken.getsockname()[1]


def open_two(*checkpoints: Path, **settings: Any) -> Any:
    given = {"data": None, "suite": "smoke", "seed": 0, "order": None, "device": "cpu", **settings}
    return open_viewer(checkpoints, **given)


def test_networks_are_named_by_their_run_folders_and_see_the_same_pixels(make_checkpoint: Make, tmp_path: Path) -> None:
    viewer = open_two(make_checkpoint("unet"), make_checkpoint("fpn", seed=1))
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)).save(tmp_path / "x.png")
    shown = viewer.show(tmp_path / "x.png", "gaussian_noise", 3)
    assert [one.name for one in shown.networks] == ["unet", "fpn"]
    assert shown.pixels.shape == (48, 48, 3)
    assert list(viewer.ids) == []
    assert not np.array_equal(shown.networks[0].uncertainty["entropy"], shown.networks[1].uncertainty["entropy"])


def test_names_that_are_the_same_are_told_apart(make_checkpoint: Make) -> None:
    one, other = make_checkpoint("net"), make_checkpoint("net", seed=1)
    assert list(open_two(one, other).networks) == [str(one), str(other)]


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"classes": ["background", "disc", "ring"]}, ("differ in their classes", "has 2", "has 3", "ring")),
        ({"classes": ["background", "ring"]}, ("differ in their classes", "disc", "ring")),
        ({"channels": ["t1", "t2"]}, ("differ in their channels", "has 3", "has 2", "t1")),
        ({"channels": ["t1", "t2", "flair"]}, ("differ in their channels", "red", "flair")),
    ],
)
def test_networks_of_other_classes_or_channels_are_refused(make_checkpoint: Make, described: Any, words: Any) -> None:
    one, other = make_checkpoint("one"), make_checkpoint("other", seed=1, **described)
    sentence = read_refusal("demo", "--checkpoint", one, "--checkpoint", other, "--port=0")
    assert all(word in sentence for word in (*words, str(one), str(other))), sentence


def test_classes_in_another_order_are_brought_to_that_of_the_first(make_checkpoint: Make, tmp_path: Path) -> None:
    """The weights are the same: class 0 of the one is class 1 of the other."""
    one, other = make_checkpoint("one"), make_checkpoint("other", classes=["disc", "background"])
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)).save(tmp_path / "x.png")
    first, second = open_two(one, other).show(tmp_path / "x.png").networks
    assert np.array_equal(first.mask, 1 - second.mask)


def test_how_many_networks(make_checkpoint: Make) -> None:
    one, other = make_checkpoint("one"), make_checkpoint("other", seed=1)
    assert "3 networks do not fit" in read_refusal("demo", *[f"--checkpoint={one}"] * 3, "--port=0")
    assert "the same checkpoint" in read_refusal("demo", *[f"--checkpoint={one}"] * 2, "--port=0")
    assert "--checkpoint" in read_refusal("demo", "--port=0")
    words = ("demo", f"--checkpoint={other}", "--port=0")
    assert "no suite" in read_refusal(*words, "--suite=nothing")
    assert "pass a --suite of corruptions" in read_refusal(*words, "--suite=real_shifts")
    assert read_refusal(*words, "--seed=-1") == "--seed is -1: give 0 or more"
    assert "no checkpoint" in read_refusal("demo", "--checkpoint=nowhere.ckpt", "--port=0")


def test_a_port_that_is_taken_is_refused_before_anything_is_loaded(make_checkpoint: Make, port: int) -> None:
    words = ["demo", f"--checkpoint={make_checkpoint('one')}", "--port"]
    assert f"the port {port} is in use, or none that may be taken: pass another" in read_refusal(*words, str(port))
    assert "the port 70000" in read_refusal(*words, "70000")
    assert 1024 < require_free_port(0) < 65536


def write_settings(checkpoint: Path, data: str, **settings: Any) -> None:
    stated = {"data": {"class_path": f"datamodules.datasets.{data}", "init_args": settings}}
    (checkpoint.parent / "config.yaml").write_text(yaml.safe_dump(stated))


def list_ids(*words: str | Path) -> list[str]:
    """The images that a page offers which these words open."""
    values = parse("demo", show_page, "", [str(word) for word in words])
    return [*open_page_viewer(values["checkpoints"], values["data"], "smoke", 0, None, "cpu").ids]


def test_images_are_those_of_the_run_folder_or_of_the_option(make_checkpoint: Make) -> None:
    checkpoint = make_checkpoint("one", classes=name_classes(5))
    write_settings(checkpoint, "synthetic.SyntheticDataModule", test=3)
    assert len(list_ids("--checkpoint", checkpoint)) == 3
    assert len(list_ids("--checkpoint", checkpoint, "--data.init_args.test=5")) == 5


def test_data_that_are_not_here_leave_uploads(make_checkpoint: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of an option have to be there. Some data are looked for when they are built, others when they are opened."""
    for module in ("folder.FolderDataModule", "voc.VOCDataModule"):
        checkpoint = make_checkpoint("one")
        write_settings(checkpoint, module, root="nowhere/data")
        assert list_ids("--checkpoint", checkpoint) == []
        said = capsys.readouterr().out
        assert said.startswith("without the data of the run folder: ")
        assert "nowhere/data" in said
    write_settings(checkpoint, "folder.FolderDataModule", root="nowhere/data")
    with pytest.raises(UserError, match="nowhere/else"):
        list_ids("--checkpoint", checkpoint, "--data.init_args.root=nowhere/else")


def test_a_run_folder_may_state_no_data(make_checkpoint: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert list_ids("--checkpoint", make_checkpoint("one")) == []
    assert "no config.yaml beside" in capsys.readouterr().out


def list_imports(tree: ast.AST) -> set[str]:
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


def test_only_the_page_imports_gradio() -> None:
    """And it alone is imported late, so that no other verb waits for it."""
    importing = set()
    for path in (ROOT / "experiments").rglob("*.py"):
        tree = ast.parse(path.read_text())
        importing |= {path.name} if "gradio" in list_imports(tree) else set()
        above = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        assert "experiments.demo.page" not in list_imports(above)
    assert importing == {"page.py", "serving.py"}
