"""One contract for every optimiser and schedule YAML: together they train."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import ROOT
from jsonargparse import ArgumentParser
from pytorch_lightning.cli import OptimizerCallable

from lightning_modules.schedules import Schedule

CONFIGS = ROOT / "experiments/configs"
OPTIMIZERS = sorted((CONFIGS / "optimizer").glob("*.yaml"))
SCHEDULES = sorted((CONFIGS / "schedule").glob("*.yaml"))


def build(kind: Any, path: Path) -> Any:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--part", type=kind, enable_path=True)
    return parser.instantiate_classes(parser.parse_args([f"--part={path}"])).part


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda path: path.stem)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda path: path.stem)
def test_they_train(optimizer: Path, schedule: Path) -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.ones(3, 3))
    make: Callable[[Iterable], torch.optim.Optimizer] = build(OptimizerCallable, optimizer)
    chosen = make([{"params": [weight]}])
    rates = build(Schedule, schedule)(chosen, 50)
    before = float(weight.detach().square().sum())
    seen = []

    def closure() -> torch.Tensor:
        chosen.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    for _ in range(50):
        seen.append(chosen.param_groups[0]["lr"])
        chosen.step(closure)
        rates.step()
    assert float(weight.detach().square().sum()) < before
    assert seen[-1] < 0.05 * max(seen)  # of the last step: one later a cycle would begin anew
