"""One contract for every objective YAML."""

from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import ROOT
from jsonargparse import ArgumentParser
from task_batches import CLASSES, batch
from torch.nn import functional as F

from lightning_modules.networks.heads.multi_task import MultiTaskNetwork
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.objectives.base import Objective
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.training_batch import read_training_batch

PATHS = sorted((ROOT / "experiments/configs/objective").glob("*.yaml"))


class OwnLoss(SmpNetwork):
    """A network with a loss of its own."""

    has_own_loss = True  # type: ignore[assignment]

    def compute_own_loss(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(self(image), mask.long(), ignore_index=255)


def made(path: Path) -> SegmentationModule:
    """A module with a network that fits: of further tasks where the objective is of some."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Objective, "one")
    objective = parser.instantiate(parser.parse_args([f"--one={path}"])).one
    kind: Any = MultiTaskNetwork if "multi_task" in path.stem else OwnLoss
    torch.manual_seed(0)
    return SegmentationModule(
        lambda *sizes: kind(*sizes, encoder="tu-mobilenetv3_small_050"), CLASSES, objective=objective
    )


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_objective(path: Path) -> None:
    """Every parameter has a part in the loss, of single precision; what is logged is what it says, without a gradient."""
    module = made(path)
    given = {**batch(2, 64, 64), "kinds": {"depth": "continuous"}}
    with torch.autocast("cpu", torch.bfloat16):
        loss, logged = module.apply_objective(module.transform_batch(read_training_batch(given)))
    assert loss.dtype == torch.float32
    assert loss.shape == ()
    assert torch.isfinite(loss)
    loss.backward()
    assert [name for name, one in module.named_parameters() if one.grad is None] == []
    assert set(logged) == set(module.objective.logged) <= set(module.logged)
    assert not any(value.requires_grad for value in logged.values())
    assert set(module.objective.tasks) == set(module.tasks)
