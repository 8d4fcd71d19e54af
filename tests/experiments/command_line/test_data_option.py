import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import read_refusal

from experiments.checkpoints.trusted_classes import TRUST
from experiments.command_line.data_option import choose_data
from user_error import UserError

SYNTHETIC = "datamodules.datasets.synthetic.SyntheticDataModule"


def write_run_folder(folder: Path, data: Any) -> Path:
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": data}))
    return folder / "best.ckpt"


def choose(checkpoint: Path, *words: str) -> Any:
    return choose_data("benchmark", checkpoint, words).module


def test_the_data_of_the_run_folder_are_the_default(tmp_path: Path) -> None:
    checkpoint = write_run_folder(tmp_path, {"class_path": SYNTHETIC, "init_args": {"test": 7}})
    assert len(choose(checkpoint).make_dataset("test")) == 7
    assert len(choose(checkpoint, "--data.init_args.test=5").make_dataset("test")) == 5


@pytest.mark.parametrize(
    "data",
    [
        {"class_path": "stranger.Data"},
        {"class_path": "antigravity.fly", "init_args": {}},
        {"class_path": "datamodules_evil.Data"},
        {"class_path": "datamodules.datasets.folder.Path", "init_args": {}},
        {"class_path": "datamodules.datasets.folder.FolderDataModule", "init_args": {"augmentation": "stranger.Noise"}},
        {"class_path": SYNTHETIC, "init_args": {"augmentation": '{"class_path": "stranger.Noise"}'}},
        {"class_path": SYNTHETIC, "init_args": {"augmentation": "stranger.yaml"}},
        {"class_path": SYNTHETIC, "init_args": {"augmentation.class_path": "stranger.Noise"}},
        {"class_path": SYNTHETIC, "dict_kwargs": {"augmentation": {"class_path": "stranger.Noise"}}},
        {
            "class_path": "datamodules.datasets.folder.FolderDataModule",
            "init_args": {"augmentation": {"class_path": "stranger.Noise", "init_args": {}}},
        },
    ],
)
def test_a_strangers_run_folder_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: dict[str, Any]
) -> None:
    (tmp_path / "stranger.py").write_text("raise SystemExit('ran')")
    (tmp_path / "stranger.yaml").write_text("class_path: stranger.Noise")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    checkpoint = write_run_folder(tmp_path, data)
    with pytest.raises(UserError, match=r"config\.yaml.*(it was refused|which it has not)"):
        choose(checkpoint)
    assert "stranger" not in sys.modules


def test_a_package_of_ones_own_is_trusted_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_data.py").write_text(
        "from datamodules.datasets.synthetic import SyntheticDataModule\n\nclass Mine(SyntheticDataModule):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(TRUST, "my_data")
    assert type(choose(write_run_folder(tmp_path, {"class_path": "my_data.Mine"}))).__name__ == "Mine"


def test_what_looks_like_an_import_path_and_is_none(tmp_path: Path) -> None:
    """The name of a folder, and values of a table."""
    data = {
        "class_path": "datamodules.datasets.folder.FolderDataModule",
        "init_args": {"root": "my.data", "where": {"test": {"drive": ["a.b"]}}},
    }
    with pytest.raises(UserError, match=r"my\.data"):  # there is no such folder
        choose(write_run_folder(tmp_path, data)).setup("test")


@pytest.mark.parametrize("name", ["datamodules.datasets.folder.FolderDatamodule", "datamodules.nowhere.Data"])
def test_a_class_that_this_version_does_not_have(tmp_path: Path, name: str) -> None:
    checkpoint = write_run_folder(tmp_path, {"class_path": name})
    assert "pass --data" in read_refusal("benchmark", "--checkpoint", str(checkpoint))
