"""Zeros that grow and stay: the cubic curve by hand, real trainings, and their resumption."""

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from command_line import read_refusal
from pytorch_lightning.callbacks import EMAWeightAveraging
from resumed import SHORT, assert_resumes, fit
from torch import nn

from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from lightning_modules.callbacks.sparsity import GradualSparsity, KeepZeros
from lightning_modules.callbacks.stochastic_weights import StochasticWeights
from lightning_modules.pruning.weights import RANKINGS, compute_sparsity, get_prunable_weights
from user_error import UserError

GRADUAL = (
    "--trainer.callbacks+=lightning_modules.callbacks.sparsity.GradualSparsity",
    "--trainer.callbacks.every=1",
    "--trainer.callbacks.ratio=0.6",
)


class Steps:
    """What the callbacks ask of a training: a network whose weights move at every step."""

    def __init__(self, steps: int) -> None:
        torch.manual_seed(0)
        self.module: Any = SimpleNamespace(network=nn.Sequential(nn.Conv2d(3, 40, 3), nn.Conv2d(40, 40, 3)))
        self.optimizer = torch.optim.SGD(self.module.network.parameters(), lr=1.0)
        self.trainer: Any = SimpleNamespace(
            global_step=0,
            estimated_stepping_batches=steps,
            checkpoint_callbacks=[],
            callbacks=[],
            optimizers=[self.optimizer],
        )

    def step(self) -> None:
        """One step of the optimiser, to where chance leads."""
        for parameter in self.module.network.parameters():
            parameter.grad = 0.01 * torch.randn_like(parameter)
        self.optimizer.step()
        self.trainer.global_step += 1

    def run(self, callback: Any, steps: int) -> list[float]:
        """The sparsity after each of some steps."""
        callback.on_train_start(self.trainer, self.module)
        seen = []
        for _ in range(steps):
            self.step()
            callback.on_train_batch_end(self.trainer, self.module, None, None, 0)
            seen.append(compute_sparsity(get_prunable_weights(self.module.network).values()))
        return seen


def test_sparsity_grows_by_the_cube() -> None:
    callback = GradualSparsity(0.8, begin=0.2, end=0.8, every=1)
    seen = Steps(50).run(callback, 50)
    for step, found in enumerate(seen, 1):
        way = min(1, max(0, (step - 10) / 30))
        assert found == pytest.approx(0.8 * (1 - (1 - way) ** 3), abs=1e-4), step
    assert seen == sorted(seen)


def test_it_grows_at_times_and_ends_in_time() -> None:
    """Every 7 steps, and at the last, whatever 7 divides."""
    seen = Steps(50).run(GradualSparsity(0.5, begin=0.0, end=0.6, every=7), 50)
    assert seen[:6] == [0.0] * 6
    assert len(set(seen)) == 1 + 4 + 1  # nothing, four times, and the end at step 30
    assert seen[29:] == [pytest.approx(0.5, abs=1e-4)] * 21


@pytest.mark.parametrize("ranking", RANKINGS)
def test_what_went_does_not_come_back(ranking: str) -> None:
    training, callback = Steps(40), GradualSparsity(0.7, begin=0.0, end=0.5, every=5, ranking=ranking)
    gone: list[torch.Tensor] = []
    callback.on_train_start(training.trainer, training.module)
    for _ in range(8):
        training.run(callback, 5)
        zeros = torch.cat(
            [(weight == 0).flatten() for weight in get_prunable_weights(training.module.network).values()]
        )
        assert not gone or not (gone[-1] & ~zeros).any()
        gone.append(zeros)
    assert gone[-1].float().mean() == pytest.approx(0.7, abs=1e-3)


def test_zeros_are_kept() -> None:
    training = Steps(10)
    first = training.module.network[0].weight
    first.data[:20] = 0
    training.run(KeepZeros(), 10)
    assert not first[:20].any()
    assert first[20:].all()


def test_zeros_are_kept_within_the_step() -> None:
    """An average of the weights, taken before or after this callback in the list, is of weights with their zeros."""
    training, callback = Steps(10), KeepZeros()
    first = training.module.network[0].weight
    first.data[:20] = 0
    callback.on_train_start(training.trainer, training.module)
    training.step()
    assert not first[:20].any()
    callback.teardown(training.trainer, training.module, "fit")
    training.step()
    assert first[:20].all()


def test_averages_of_growing_zeros_are_refused() -> None:
    training = Steps(10)
    for callback in (EMAWeightAveraging(), StochasticWeights(start=0.5)):
        training.trainer.callbacks = [callback]
        with pytest.raises(UserError, match=f"{type(callback).__name__} averages weights while"):
            GradualSparsity(end=0.7).on_train_start(training.trainer, training.module)
    training.trainer.callbacks = [StochasticWeights(start=0.7)]
    GradualSparsity(end=0.7).on_train_start(training.trainer, training.module)


def test_batches_without_a_step_change_nothing() -> None:
    """Where gradients are gathered over several batches."""
    training, callback = Steps(10), GradualSparsity(0.5, begin=0.0, end=1.0, every=1)
    training.run(callback, 3)
    masks = callback.masks
    callback.on_train_batch_end(training.trainer, training.module, None, None, 0)
    assert callback.masks is masks


def test_the_best_network_is_a_sparse_one(tmp_path: Path) -> None:
    """Whatever the dense ones of the first epochs scored."""
    fit("synthetic_unet", tmp_path, *GRADUAL)
    for name in ("best", "last"):
        found = compute_sparsity(get_prunable_weights(load_module(tmp_path / f"{name}.ckpt").network).values())
        assert found == pytest.approx(0.6, abs=1e-3), name


def test_a_training_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes("synthetic_unet", tmp_path, monkeypatch, *GRADUAL)
    for run in ("whole", "resumed"):
        assert {"pruned": True} in read_checkpoint(tmp_path / run / "last.ckpt")["callbacks"].values()


@pytest.mark.parametrize(
    "settings",
    [{"begin": 0.5, "end": 0.5}, {"begin": -0.1}, {"end": 1.1}, {"every": 0}],
)
def test_shares_in_order(settings: dict) -> None:
    with pytest.raises(UserError, match="gradual sparsity"):
        GradualSparsity(**settings)


def test_ratios_and_rankings() -> None:
    with pytest.raises(UserError, match="not between 0 and 1"):
        GradualSparsity(1.5)
    with pytest.raises(UserError, match="'luck' of weights: choose magnitude or lamp"):
        GradualSparsity(ranking="luck")


def test_layers_that_vanish_are_named() -> None:
    """The last one's weights are small; ranked within each layer, none vanishes."""
    for ranking in RANKINGS:
        training = Steps(10)
        weights = get_prunable_weights(training.module.network)
        name, last = list(weights.items())[-1]
        last.data.mul_(1e-6)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            training.run(GradualSparsity(0.96, begin=0.0, end=0.1, every=1, ranking=ranking), 1)
        text = [str(one.message) for one in caught if "no weight is left" in str(one.message)]
        assert len(text) == (ranking == "magnitude")
        assert all(f"left in {name.removesuffix('.weight')}:" in one for one in text)


def test_a_dense_start_is_refused(tmp_path: Path) -> None:
    recipe = "--config=experiments/configs/recipe/synthetic_unet.yaml"
    keep = "--trainer.callbacks+=lightning_modules.callbacks.sparsity.KeepZeros"
    assert "no weight is zero" in read_refusal("fit", recipe, *SHORT, f"--run={tmp_path}", keep)
