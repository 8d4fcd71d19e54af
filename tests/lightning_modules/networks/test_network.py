"""What a network answers by the names of its tasks, through whatever holds it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.networks.ensembles.ensemble import Ensemble
from lightning_modules.networks.ensembles.monte_carlo_dropout import MonteCarloDropout
from lightning_modules.networks.heads.multi_task import MultiTaskNetwork
from lightning_modules.networks.network import SEGMENTATION, as_network
from lightning_modules.networks.wrappers.pruned import PrunedNetwork
from lightning_modules.networks.wrappers.reordered import Reordered
from lightning_modules.networks.wrappers.sliding_window import SlidingWindow
from lightning_modules.networks.wrappers.temperature import TemperatureScaled
from lightning_modules.networks.wrappers.test_time_augmentation import TestTimeAugmentation
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.tasks.base import Task
from lightning_modules.tasks.boundary import Boundary
from lightning_modules.tasks.classification import Classification
from lightning_modules.tasks.distance import Distance

K = 5
IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
TASKS = {"classification": Classification(), "boundary": Boundary()}
NAMES = [SEGMENTATION, *TASKS]


def made(seed: int = 0, tasks: Sequence[Task] = tuple(TASKS.values())) -> nn.Module:
    torch.manual_seed(seed)
    return MultiTaskNetwork(K, 3, tasks=tasks, encoder="tu-mobilenetv3_small_050", dropout=0.2).eval()


def holds(network: nn.Module) -> partial:
    return partial(lambda one, *_: one, network)


@pytest.mark.parametrize(
    ("wrapper", "settings"),
    [
        (TemperatureScaled, {"temperature": 2.0}),
        (PrunedNetwork, {"plan": {}}),
        (TestTimeAugmentation, {}),
        (SlidingWindow, {"window": (640, 640)}),
        (MonteCarloDropout, {"samples": 2}),
    ],
)
@torch.no_grad()
def test_what_holds_a_network_passes_its_tasks_on(wrapper: Any, settings: dict[str, Any]) -> None:
    inner = made()
    network = wrapper(K, 3, holds(inner), **settings).eval()
    assert list(network.tasks) == list(TASKS)
    assert network.shared is inner.shared
    found, scale = network.compute_outputs(IMAGE), settings.get("temperature", 1)
    assert set(found) == set(NAMES)
    torch.testing.assert_close(found[SEGMENTATION], network(IMAGE))
    if wrapper is not MonteCarloDropout:
        for name in TASKS:
            torch.testing.assert_close(found[name], inner.compute_outputs(IMAGE)[name])
    trained = network.compute_training_outputs(IMAGE)
    assert {name: len(members) for name, members in trained.items()} == dict.fromkeys(NAMES, 1)
    torch.testing.assert_close(trained[SEGMENTATION][0], inner.compute_outputs(IMAGE)[SEGMENTATION] / scale)
    logits, further = SegmentationModule(holds(network), K).eval().predict(IMAGE)
    torch.testing.assert_close(logits, network(IMAGE))
    assert set(further) == set(TASKS)


@torch.no_grad()
def test_an_ensemble_has_the_tasks_of_its_members() -> None:
    """And what it predicts of them is the mean."""
    members = [made(0), made(1)]
    ensemble = Ensemble(K, 3, [holds(one) for one in members]).eval()
    trained, found = ensemble.compute_training_outputs(IMAGE), ensemble.compute_outputs(IMAGE)
    torch.testing.assert_close(found[SEGMENTATION], ensemble(IMAGE))
    for name in TASKS:
        own = [one.compute_outputs(IMAGE)[name] for one in members]
        torch.testing.assert_close(found[name], (own[0] + own[1]) / 2)
        assert all(torch.equal(one, other) for one, other in zip(own, trained[name], strict=True))
    assert ensemble.shared is None


@torch.no_grad()
def test_members_of_other_tasks_share_the_segmentation_alone() -> None:
    others = [made(0), made(1, [Distance(reach=5)])]
    ensemble = Ensemble(K, 3, [holds(one) for one in others]).eval()
    assert ensemble.tasks == {}
    assert list(ensemble.compute_outputs(IMAGE)) == [SEGMENTATION]
    assert [len(one) for one in ensemble.compute_training_outputs(IMAGE).values()] == [2]
    assert Ensemble(K, 3, [holds(made()), holds(made(2, [Classification(), Boundary(weight=3.0)]))]).tasks == {}


def test_a_module_of_another_library_answers_by_default() -> None:
    class Plain(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image[:, :1]

    for network in (Plain(), Reordered(Plain(), [0], [2, 1, 0])):
        answering = as_network(network)
        assert answering.tasks == {}
        assert answering.shared is None
        assert torch.equal(answering.compute_outputs(IMAGE)[SEGMENTATION], network(IMAGE))
        assert torch.equal(answering.compute_training_outputs(IMAGE)[SEGMENTATION][0], network(IMAGE))
