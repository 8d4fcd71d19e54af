from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from experiments.__main__ import main
from experiments.checkpoints.derived_checkpoint import make_content
from experiments.commands.evaluate import predict as verb
from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.networks.fcn import FcnNetwork
from lightning_modules.segmentation import SegmentationModule

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


class Threshold(SegmentationNetwork):
    """Says that the upper half of all levels of the first channel is class 1."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes, in_channels, stride=1)

    def compute_logits(self, x: torch.Tensor) -> torch.Tensor:
        level = x[:, :1] * self.std[:, :1] + self.mean[:, :1] - 0.5
        return torch.cat([-level, level], 1)


@pytest.fixture
def predict_levels(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Answer]:
    """Run the verb with a network whose answer is known, at the images' own size; `data` says what its training saw."""

    def run(inputs: Sequence[Path], output: Path, *options: str, **data: Any) -> Answer:
        described = {**DATA, "size": None, **data}
        channels = len(described["channels"])
        module = SegmentationModule(Threshold, 2, channels).eval()
        monkeypatch.setattr(verb, "load_module", lambda file: module)
        monkeypatch.setattr(verb, "describe_data", lambda file: described)
        words = ["predict", f"--checkpoint={checkpoint}", f"--output={output}", "--device=cpu", *options]
        status = main([*words[:1], *map(str, inputs), *words[1:]])
        return Answer(status, *capsys.readouterr())

    return run
