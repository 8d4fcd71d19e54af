"""Checkpoints appear whole beside those that they replace, whatever the folder of temporary files is."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import ROOT, TINY
from pytorch_lightning.plugins.io import TorchCheckpointIO

from experiments.__main__ import describe
from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.training.checkpoint_io import WholeCheckpointIO
from experiments.training.plugins import training_plugins


class Trainer:
    """Settings of one."""

    def __init__(self, plugins: Any = None, strategy: Any = "auto") -> None:
        self.plugins, self.strategy, self.accelerator, self.num_nodes = plugins, strategy, "cpu", 1


def kinds(settings: Trainer) -> list[str]:
    return [type(one).__name__ for one in training_plugins(settings)]


def test_written_and_read_again(tmp_path: Path) -> None:
    path, content = tmp_path / "folder" / "a.ckpt", {"weights": torch.arange(4), "epoch": 3}
    WholeCheckpointIO().save_checkpoint(content, path)
    assert os.listdir(path.parent) == ["a.ckpt"]
    found = WholeCheckpointIO().load_checkpoint(path)
    assert found["epoch"] == 3
    assert torch.equal(found["weights"], content["weights"])


def test_nothing_but_data_is_read(tmp_path: Path) -> None:
    """Also where something else is asked for."""
    torch.save({"epoch": os.getcwd, "weights": Path("x")}, tmp_path / "a.ckpt")
    with pytest.raises(Exception, match="Weights only load failed"):
        WholeCheckpointIO().load_checkpoint(tmp_path / "a.ckpt", weights_only=False)


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """What the system refuses in the middle of torch's writer is said with the name of the file."""
    path = tmp_path / "last.ckpt"
    WholeCheckpointIO().save_checkpoint({"epoch": 1}, path)

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
        WholeCheckpointIO().save_checkpoint({"epoch": 2, "weights": torch.zeros(size)}, path)
    assert describe(caught.value).startswith(f"the disk is full, or its quota: cannot write {str(path)!r}")
    assert WholeCheckpointIO().load_checkpoint(path)["epoch"] == 1
    assert os.listdir(tmp_path) == ["last.ckpt"]


def test_ours_unless_the_user_has_one() -> None:
    assert "WholeCheckpointIO" in kinds(Trainer())
    assert "WholeCheckpointIO" not in kinds(Trainer(plugins=[TorchCheckpointIO()]))
    assert "WholeCheckpointIO" not in kinds(Trainer(plugins=TorchCheckpointIO()))


def test_a_training_needs_no_folder_of_temporary_files(tmp_path: Path) -> None:
    """Best, last and those of a user's own callback; and where the disk is full, it says where."""
    run = tmp_path / "run"
    words = ["fit", *TINY, f"--run={run}", "--trainer.accelerator=cpu"]
    words += ["--trainer.callbacks+=pytorch_lightning.callbacks.ModelCheckpoint"]
    words += [f"--trainer.callbacks.dirpath={tmp_path / 'kept'}", "--trainer.callbacks.save_top_k=-1"]
    starts = "import sys, runpy; sys.argv = ['experiments', *sys.argv[1:]]; import experiments.training.cli; import tempfile; "
    starts += "tempfile.tempdir = '/nowhere'; runpy.run_module('experiments', run_name='__main__')"
    subprocess.run([sys.executable, "-c", starts, *words], cwd=ROOT, check=True, capture_output=True)
    assert len(os.listdir(tmp_path / "kept")) == 2
    for name in ("best.ckpt", "last.ckpt"):
        read_checkpoint(run / name)
    other = tmp_path / "other"
    command = f"ulimit -f 8000; exec {sys.executable} -m experiments {' '.join(words)} --run={other}"
    result = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1, result.stderr
    assert f"the disk is full, or its quota: cannot write '{tmp_path}" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(other.rglob("*.ckpt*"))
