"""Several tasks on one network."""

import pytest
import torch
from torch.nn import functional as F

from lightning_modules.networks.heads.multi_task import MultiTaskNetwork
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.tasks.boundary import Boundary
from lightning_modules.tasks.classification import Classification
from lightning_modules.tasks.depth import Depth
from lightning_modules.tasks.distance import Distance
from lightning_modules.tasks.reconstruction import Reconstruction
from user_error import UserError

ALL = (Classification(), Boundary(), Distance(), Depth(), Reconstruction())
IMAGE = torch.randint(0, 256, (2, 3, 33, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("architecture", ["Unet", "FPN", "DeepLabV3Plus", "Segformer"])
@torch.inference_mode()
def test_every_task_says_its_own(architecture: str) -> None:
    network = MultiTaskNetwork(4, 3, tasks=ALL, architecture=architecture).eval()
    outputs = network.compute_outputs(IMAGE)
    shapes = {name: tuple(message.shape) for name, message in outputs.items()}
    dense = {"segmentation": 4, "boundary": 1, "distance": 1, "depth": 1, "reconstruction": 3}
    assert shapes == {"classification": (2, 4)} | {name: (2, count, 33, 70) for name, count in dense.items()}
    torch.testing.assert_close(outputs["segmentation"], network(IMAGE), rtol=0, atol=0)


@torch.inference_mode()
def test_the_segmentation_is_that_of_the_network_without_tasks() -> None:
    network, alone = MultiTaskNetwork(4, 3, tasks=ALL).eval(), SmpNetwork(4, 3).eval()
    alone.load_state_dict({key: value for key, value in network.state_dict().items() if not key.startswith("heads.")})
    torch.testing.assert_close(network(IMAGE), alone(IMAGE), rtol=0, atol=0)


@torch.inference_mode()
def test_the_image_is_classified_by_a_pooled_fully_connected_head() -> None:
    network = MultiTaskNetwork(4, 3, tasks=[Classification()]).eval()
    coarsest = network.encoder(network.pad(network.normalise(IMAGE)))[-1]
    layer = network.heads["classification"][-1]
    expected = F.linear(coarsest.mean((2, 3)), layer.weight, layer.bias)
    torch.testing.assert_close(network.compute_outputs(IMAGE)["classification"], expected)


def test_all_tasks_depend_on_the_shared_weight() -> None:
    network = MultiTaskNetwork(4, 3, tasks=ALL, encoder="mobilenet_v2")
    for name, message in network.compute_outputs(IMAGE).items():
        (gradient,) = torch.autograd.grad(message.square().mean(), network.shared, retain_graph=True)
        assert gradient.abs().sum() > 0, name


def test_wrong_settings() -> None:
    with pytest.raises(UserError, match="no further tasks"):
        MultiTaskNetwork(4, 3, tasks=[])
    with pytest.raises(UserError, match=r"given a task twice \(boundary, boundary\)"):
        MultiTaskNetwork(4, 3, tasks=[Boundary(), Boundary(weight=3.0)])
