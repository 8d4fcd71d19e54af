"""What a trial was made of: its options, and the content of all files that they lead to."""

from pathlib import Path

import pytest

from experiments.ablation.stamp import changes, write_stamp


@pytest.fixture
def arguments(tmp_path: Path) -> dict:
    """A recipe that leads to a network and back, a loss in a list, and values that are no files."""
    (tmp_path / "network").mkdir()
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "a.yaml").write_text("model: {network: ../network/b.yaml, loss: [../loss.yaml]}\n")
    (tmp_path / "network" / "b.yaml").write_text("class_path: x  # of ../recipe/a.yaml\n")
    (tmp_path / "loss.yaml").write_text("class_path: y\n")
    (tmp_path / "start.ckpt").write_bytes(b"weights")
    named = {"config": str(tmp_path / "recipe" / "a.yaml"), "start": str(tmp_path / "start.ckpt")}
    return named | {"lr": 0.1, "size": [8, 8], "suite": "core", "none": None}


def test_nothing_changed(arguments: dict, tmp_path: Path) -> None:
    write_stamp(tmp_path / "trial.json", arguments)
    assert changes(tmp_path / "trial.json", arguments) == []


@pytest.mark.parametrize("name", ["recipe/a.yaml", "network/b.yaml", "loss.yaml", "start.ckpt"])
def test_files_that_hold_something_else_are_named(arguments: dict, tmp_path: Path, name: str) -> None:
    write_stamp(tmp_path / "trial.json", arguments)
    with (tmp_path / name).open("a") as file:
        file.write("# changed\n")
    (found,) = changes(tmp_path / "trial.json", arguments)
    assert Path(found).resolve() == tmp_path / name


def test_options_that_changed_came_or_went_are_named(arguments: dict, tmp_path: Path) -> None:
    write_stamp(tmp_path / "trial.json", arguments)
    now = {key: value for key, value in arguments.items() if key != "none"} | {"lr": 0.2, "new": 1}
    assert changes(tmp_path / "trial.json", now) == ["lr", "new"]


def test_without_a_stamp_all_may_have_changed(arguments: dict, tmp_path: Path) -> None:
    assert "lr" in changes(tmp_path / "trial.json", arguments)
