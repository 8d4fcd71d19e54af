from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.checkpoints.derived_checkpoint import make_content
from user_error import UserError

DATA = {"classes": ["a", "b"], "channels": ["x"], "palette": [[0, 0, 0], [1, 2, 3]], "size": [4, 4], "window": [0, 1.5]}


def save(path: Path, data: dict[str, Any], **changed: Any) -> Path:
    network = {"class_path": "lightning_modules.networks.smp.SmpNetwork", "init_args": {}}
    content = make_content(network, {"w": torch.zeros(2)}, 2, 1, {"FolderDataModule": data})
    torch.save({**content, **changed}, path)
    return path


def make_doubled() -> list:
    found: list = [0]
    for _ in range(40):
        found = [found, found]
    return found


def make_cycle() -> list:
    found: list = []
    found.append(found)
    return found


def test_a_checkpoint_of_ours_has_the_form(tmp_path: Path) -> None:
    assert read_checkpoint(save(tmp_path / "x.ckpt", DATA))["FolderDataModule"] == DATA


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("classes", ["a"]),
        ("classes", "ab"),
        ("classes", [1, 2]),
        ("channels", 3),
        ("palette", [[0, 0, 0]]),
        ("palette", "red"),
        ("palette", [[0, 0, 0], [0, 0, 256]]),
        ("palette", [[0, 0, 0], [0, 0]]),
        ("palette", [[0, 0, 0]] * 257),
        ("size", [4]),
        ("size", [0, 4]),
        ("size", [4, 10**9]),
        ("size", [4, "4"]),
        ("window", [1, 1]),
        ("window", [0, float("nan")]),
        ("window", "ab"),
        ("aspect", "stretch"),
    ],
)
def test_what_it_keeps_of_its_data_is_of_its_kind(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"its {name}( are| is) "):
        read_checkpoint(save(tmp_path / "x.ckpt", {**DATA, name: value}))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"odd": make_doubled()}, "unfolds"),
        ({"odd": make_cycle()}, "nested deeper"),
        ({"odd": torch.zeros(1).expand(10**6, 10**6)}, "repeats its numbers"),
        ({"state_dict": {"network.w": 3}}, "of the type int"),
        ({"state_dict": {5: torch.zeros(1)}}, "holds 5"),
        ({3: 4}, "the entry 3"),
    ],
)
def test_what_cannot_be_gone_through_is_refused(tmp_path: Path, changed: dict, message: str) -> None:
    path = tmp_path / "x.ckpt"
    torch.save({**torch.load(save(path, DATA), weights_only=True), **changed}, path)
    with pytest.raises(UserError, match=message):
        read_checkpoint(path)
