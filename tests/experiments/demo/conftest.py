from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.checkpoints.derived_checkpoint import make_content
from lightning_modules.networks.fcn import FcnNetwork

NETWORK = {"encoder": "tu-mobilenetv3_small_050", "hidden": 4, "skips": 0}
DATA = {
    "classes": ["background", "disc"],
    "channels": ["red", "green", "blue"],
    "palette": None,
    "size": [48, 48],
}


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a checkpoint of a network that has learned nothing into a run folder of its own."""

    def make(name: str, seed: int = 0, **described: Any) -> Path:
        torch.manual_seed(seed)
        data = {**DATA, **described}
        classes, channels = len(data["classes"]), len(data["channels"])
        path = tmp_path_factory.mktemp("runs") / name / "best.ckpt"
        path.parent.mkdir()
        weights = FcnNetwork(classes, channels, **NETWORK).state_dict()
        network = {"class_path": "lightning_modules.networks.fcn.FcnNetwork", "init_args": NETWORK}
        torch.save(make_content(network, weights, classes, channels, {"FolderDataModule": data}), path)
        return path

    return make
