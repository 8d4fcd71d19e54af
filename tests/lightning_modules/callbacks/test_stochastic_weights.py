"""The mean of the last weights, against a mean by hand, in a real training and in one that is resumed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from resumed import assert_resumes, fit
from torch import nn

from experiments.checkpoints.checkpoint import read_checkpoint
from lightning_modules.callbacks.stochastic_weights import StochasticWeights
from user_error import UserError

WORDS = ("--trainer.callbacks+=lightning_modules.callbacks.stochastic_weights.StochasticWeights",)


class Module(pl.LightningModule):
    """One layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)


@pytest.mark.parametrize(
    ("start", "every", "entered"), [(0.5, 1, [5, 6, 7, 8, 9]), (0.2, 3, [2, 5, 8]), (0.0, 4, [0, 4, 8])]
)
def test_the_mean_of_the_weights_that_enter(start: float, every: int, entered: list[int]) -> None:
    callback, seen = StochasticWeights(start, every), []
    trainer: Any = SimpleNamespace(global_step=0, estimated_stepping_batches=10)
    module: Any = Module()
    callback.setup(trainer, module, "fit")
    callback.on_train_start(trainer, module)
    for step in range(10):
        module.layer.weight.data += torch.randn(2, 3)
        seen.append(module.layer.weight.detach().clone())
        trainer.global_step = step + 1
        callback.on_train_batch_end(trainer, module, None, None, step)
        assert callback.begun == (step >= entered[0])
    callback.on_train_end(trainer, module)
    torch.testing.assert_close(module.layer.weight.data, torch.stack([seen[step] for step in entered]).mean(0))


def test_an_end_before_the_average_begins_leaves_the_weights() -> None:
    """After early stopping, or when the time is up."""
    callback, module = StochasticWeights(0.9), Module()
    trainer: Any = SimpleNamespace(global_step=0, estimated_stepping_batches=10)
    callback.setup(trainer, module, "fit")
    callback.on_train_start(trainer, module)
    module.layer.weight.data += 1
    own = module.layer.weight.detach().clone()
    trainer.global_step = 5
    callback.on_train_batch_end(trainer, module, None, None, 4)
    callback.on_train_end(trainer, module)
    assert torch.equal(module.layer.weight, own)


def test_what_is_saved_is_the_average(alone: Path, tmp_path: Path) -> None:
    """The training's own weights stand beside it, and are those of a training without it."""
    averaged = fit("synthetic_unet", tmp_path, *WORDS, "--trainer.callbacks.start=0.5")
    own, without = (
        read_checkpoint(tmp_path / "last.ckpt")["current_model_state"],
        read_checkpoint(alone / "last.ckpt")["state_dict"],
    )
    for name, value in without.items():
        torch.testing.assert_close(own[name], value, rtol=0, atol=0, msg=name)
    assert any(not torch.equal(averaged[name], value) for name, value in without.items())


def test_a_training_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From before the average began, and from after."""
    for start in ("0.7", "0.2"):
        words = (*WORDS, f"--trainer.callbacks.start={start}")
        assert_resumes("synthetic_unet", tmp_path / start, monkeypatch, *words)


@pytest.mark.parametrize("settings", [{"start": 1.0}, {"start": -0.1}, {"every": 0}])
def test_refusals(settings: dict) -> None:
    with pytest.raises(UserError, match="averaging from"):
        StochasticWeights(**settings)
