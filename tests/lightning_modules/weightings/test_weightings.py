"""How the losses of tasks become one, against what their papers say."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from lightning_modules.weightings.base import Weighting
from lightning_modules.weightings.fixed import FixedWeights
from lightning_modules.weightings.gradnorm import GradNorm
from lightning_modules.weightings.uncertainty import UncertaintyWeights
from user_error import UserError

NAMES = ["segmentation", "depth", "boundary"]


def begun(weighting: Weighting) -> Any:
    weighting.begin(NAMES, [False, True, False])
    return weighting


@pytest.fixture
def shared() -> nn.Parameter:
    return nn.Parameter(torch.tensor([1.0, -2.0]))


def losses_of(shared: nn.Parameter) -> torch.Tensor:
    """Their gradients have the norms 5, 1 and 2."""
    return torch.stack([(shared * torch.tensor([3.0, 4.0])).sum() + 9, shared[0] + 2, 2 * shared[1] + 8])


def test_fixed_weights(shared: nn.Parameter) -> None:
    weighting = begun(FixedWeights({"depth": 0.5}))
    first, second, third = losses_of(shared).tolist()
    assert weighting(losses_of(shared), shared).item() == pytest.approx(first + second / 2 + third)
    with pytest.raises(UserError, match=r"'flow'.*segmentation, depth"):
        begun(FixedWeights({"flow": 1.0}))
    with pytest.raises(UserError, match="weight of the task 'depth'"):
        FixedWeights({"depth": -1.0})


def test_uncertainty_finds_the_noise() -> None:
    """At constant losses the best variances are 2 L of a classification's and L of a regression's: the formula's minimum."""
    weighting = begun(UncertaintyWeights())
    losses = torch.tensor([0.3, 2.0, 1.7])
    optimiser = torch.optim.SGD(weighting.parameters(), lr=0.5)
    for _ in range(400):
        optimiser.zero_grad()
        weighting(losses, nn.Parameter()).backward()
        optimiser.step()
    expected = torch.tensor([2 * 0.3, 2.0, 2 * 1.7])
    torch.testing.assert_close(weighting.log_variances.detach().exp(), expected, rtol=1e-3, atol=1e-3)
    by_hand = 0.3 / 0.6 + 2.0 / (2 * 2.0) + 1.7 / 3.4 + sum(math.log(math.sqrt(value)) for value in expected.tolist())
    assert weighting(losses, nn.Parameter()).item() == pytest.approx(by_hand, rel=1e-4)


def test_gradnorm_takes_the_papers_step(shared: nn.Parameter) -> None:
    """First losses are the first ones met, so all rates are 1 and the target is the mean norm, 8/3."""
    weighting = begun(GradNorm(alpha=1.5, lr=0.1))
    total = weighting(losses_of(shared), shared)
    assert total.item() == pytest.approx(losses_of(shared).sum().item())
    moved = torch.tensor([1 - 0.1 * 5, 1 + 0.1 * 1, 1 + 0.1 * 2])
    torch.testing.assert_close(weighting.weights, moved * 3 / moved.sum())
    torch.testing.assert_close(weighting.first_losses, losses_of(shared).detach())
    total.backward()
    torch.testing.assert_close(shared.grad, torch.tensor([3.0 + 1.0, 4.0 + 2.0]))


def test_gradnorm_pulls_what_lags_behind(shared: nn.Parameter) -> None:
    weighting = begun(GradNorm(alpha=1.5, lr=0.1))
    weighting(losses_of(shared), shared)
    before = weighting.weights.clone()
    halved = losses_of(shared) * torch.tensor([0.1, 0.1, 1.0])
    weighting(halved, shared)
    norms, rates = torch.tensor([0.5, 0.1, 2.0]), torch.tensor([0.1, 0.1, 1.0])
    wanted = (before * norms).mean() * (rates / rates.mean()) ** 1.5
    moved = before - 0.1 * torch.sign(before * norms - wanted) * norms
    torch.testing.assert_close(weighting.weights, moved * 3 / moved.sum())


def test_a_task_that_has_had_no_loss_yet_waits(shared: nn.Parameter) -> None:
    """Such as depth, where the first batches know none: it counts as one that learned nothing, and takes nothing over."""
    weighting = begun(GradNorm(alpha=1.5, lr=0.025))
    for step in range(50):
        losses = losses_of(shared)
        weighting(torch.stack([losses[0], losses[1] * (step > 0), losses[2]]), shared)
    assert weighting.weights.min() > 0.1
    assert weighting.weights.sum().item() == pytest.approx(3)
    assert weighting.first_losses.isfinite().all()


def test_gradnorm_rests_outside_training_and_goes_on(shared: nn.Parameter) -> None:
    weighting = begun(GradNorm())
    weighting(losses_of(shared), shared)
    resumed = begun(GradNorm())
    resumed.load_state_dict(weighting.state_dict())
    resumed.eval()(losses_of(shared), shared)
    torch.testing.assert_close(resumed.weights, weighting.weights, rtol=0, atol=0)
    for one in (weighting, resumed.train()):
        one(losses_of(shared) / 2, shared)
    torch.testing.assert_close(resumed.weights, weighting.weights, rtol=0, atol=0)


@pytest.mark.parametrize("settings", [{"alpha": -1.0}, {"lr": 0.0}])
def test_wrong_settings_of_gradnorm(settings: dict) -> None:
    with pytest.raises(UserError, match="GradNorm"):
        GradNorm(**settings)
