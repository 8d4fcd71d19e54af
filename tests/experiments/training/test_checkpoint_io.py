"""Checkpoints appear whole beside those that they replace, whatever the folder of temporary files is."""

import errno
import os
import resource
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import TINY, read_refusal
from pytorch_lightning.plugins.io import TorchCheckpointIO
from resumed import SHORT, fit

from experiments.__main__ import describe
from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.training.checkpoint_io import AtomicCheckpointIO
from experiments.training.plugins import choose_training_plugins


class Trainer:
    """Settings of one."""

    def __init__(self, plugins: Any = None, strategy: Any = "auto") -> None:
        self.plugins, self.strategy, self.accelerator, self.num_nodes = plugins, strategy, "cpu", 1


def list_kinds(settings: Trainer) -> list[str]:
    return [type(one).__name__ for one in choose_training_plugins(settings)]


def test_written_and_read_again(tmp_path: Path) -> None:
    path, content = tmp_path / "folder" / "a.ckpt", {"weights": torch.arange(4), "epoch": 3}
    AtomicCheckpointIO().save_checkpoint(content, path)
    assert os.listdir(path.parent) == ["a.ckpt"]
    found = AtomicCheckpointIO().load_checkpoint(path)
    assert found["epoch"] == 3
    assert torch.equal(found["weights"], content["weights"])


def test_nothing_but_data_is_read(tmp_path: Path) -> None:
    """Also where something else is asked for."""
    torch.save({"epoch": os.getcwd, "weights": Path("x")}, tmp_path / "a.ckpt")
    with pytest.raises(Exception, match="Weights only load failed"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "a.ckpt", weights_only=False)


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """What the system refuses in the middle of torch's writer is said with the name of the file."""
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    save = torch.save
    monkeypatch.setattr("torch.save", lambda content, file: save(content, Full(file)))
    with pytest.raises(OSError, match="No space") as caught:
        AtomicCheckpointIO().save_checkpoint({"epoch": 2, "weights": torch.zeros(size)}, path)
    assert describe(caught.value).startswith(f"the disk is full, or its quota: cannot write {str(path)!r}")
    assert AtomicCheckpointIO().load_checkpoint(path)["epoch"] == 1
    assert os.listdir(tmp_path) == ["last.ckpt"]


def test_ours_unless_the_user_has_one() -> None:
    assert "AtomicCheckpointIO" in list_kinds(Trainer())
    assert "AtomicCheckpointIO" not in list_kinds(Trainer(plugins=[TorchCheckpointIO()]))
    assert "AtomicCheckpointIO" not in list_kinds(Trainer(plugins=TorchCheckpointIO()))


def test_a_training_needs_no_folder_of_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Best, last and those of a user's own callback."""
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    run = tmp_path / "run"
    words = ["--trainer.callbacks+=pytorch_lightning.callbacks.ModelCheckpoint"]
    words += [f"--trainer.callbacks.dirpath={tmp_path / 'kept'}", "--trainer.callbacks.save_top_k=-1"]
    fit("synthetic_unet", run, *words)
    assert len(os.listdir(tmp_path / "kept")) == 2
    for name in ("best.ckpt", "last.ckpt"):
        read_checkpoint(run / name)


def test_a_training_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file may grow beyond two hundred kilobytes: the system refuses as it does where nothing is left."""
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        refused = read_refusal("fit", TINY[0], *SHORT, f"--run={tmp_path / 'run'}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f"the disk is full, or its quota: cannot write '{tmp_path}" in refused
    assert not list(tmp_path.rglob("*.ckpt*"))
