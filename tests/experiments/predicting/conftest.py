from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from experiments.__main__ import main
from experiments.checkpoints.derived_checkpoint import make_content
from lightning_modules.networks.fcn import FcnNetwork

NETWORK = {"encoder": "tu-mobilenetv3_small_050", "hidden": 4, "skips": 0}
DATA = {
    "classes": ["background", "disc"],
    "channels": ["red", "green", "blue"],
    "palette": [[0, 0, 0], [9, 8, 7]],
    "size": [32, 32],
}


class Answer(NamedTuple):
    """What a command ended with."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a network that has learned nothing, two classes in three colours."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("predict") / "best.ckpt"
    weights = FcnNetwork(2, 3, **NETWORK).state_dict()
    network = {"class_path": "lightning_modules.networks.fcn.FcnNetwork", "init_args": NETWORK}
    torch.save(make_content(network, weights, 2, 3, {"FolderDataModule": DATA}), path)
    return path


@pytest.fixture
def predict(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[[Sequence[Path], Path, str], Answer]:
    """Run the verb in this process."""

    def run(inputs: Sequence[Path], output: Path, *options: str) -> Answer:
        words = ["predict", f"--checkpoint={checkpoint}", f"--output={output}", "--device=cpu", *options]
        status = main([*words, *map(str, inputs)])
        return Answer(status, *capsys.readouterr())

    return run
