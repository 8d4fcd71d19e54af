"""The network's own loss as the objective."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.networks.network import Network, Wrapper
from lightning_modules.objectives.base import StepContext
from lightning_modules.objectives.network_loss import NetworkLoss
from lightning_modules.training_batch import TrainingBatch, WeightedTargets
from user_error import UserError

CONTEXT: Any = StepContext(0, torch.Generator(), lambda *_: torch.zeros(()), 3)


class Counting(Network):
    """Its loss is the mean class id."""

    has_own_loss = True  # type: ignore[assignment]

    def compute_own_loss(self, image: Tensor, mask: Tensor) -> Tensor:
        return mask.double().mean() + image.double().mean()


class Around(Wrapper):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network


def test_the_loss_is_the_weighted_mean_over_the_sets_of_targets() -> None:
    image = torch.full((2, 3, 4, 4), 0.5)
    sets = [WeightedTargets(weight, {"mask": torch.full((2, 4, 4), k)}) for weight, k in ((0.25, 1), (0.75, 2))]
    batch = TrainingBatch(image, sets, {"mask": "classes"})
    objective = NetworkLoss()
    for network in (Counting(), Around(Counting())):
        objective.begin(network)
        loss, logged = objective(network, batch, CONTEXT)
        assert loss.dtype == torch.float32
        assert float(loss) == pytest.approx(0.25 * 1.5 + 0.75 * 2.5)
        assert not logged


@pytest.mark.parametrize("network", [nn.Conv2d(3, 2, 1), Network(), Around(nn.Conv2d(3, 2, 1))])
def test_a_network_without_a_loss_is_refused(network: nn.Module) -> None:
    with pytest.raises(UserError, match="has no loss of its own"):
        NetworkLoss().begin(network)
