"""The head of the max-margin network: bounded, linear, and calibrated without a change of predictions."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from lightning_modules.losses.hinge import SquaredHinge
from lightning_modules.networks.heads.max_margin import MarginConv2d, MaxMarginNetwork
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

SMALL = {"encoder": "tu-mobilenetv3_small_050"}


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network() -> MaxMarginNetwork:
    torch.manual_seed(0)
    return MaxMarginNetwork(5, **SMALL)


def test_norm_is_bounded() -> None:
    torch.manual_seed(0)
    head = MarginConv2d(8, 3, max_norm=0.5)
    directions = nn.functional.normalize(torch.randn(3, 8))
    with torch.no_grad():
        head.weight.copy_((torch.tensor([[70.0], [0.1], [0.5]]) * directions)[..., None, None])
    x = torch.randn(2, 8, 4, 4)
    wanted = torch.einsum("kc,bchw->bkhw", torch.tensor([[0.5], [0.1], [0.5]]) * directions, x)
    torch.testing.assert_close(head(x), wanted + head.bias[:, None, None])


def test_beyond_the_bound_it_is_weight_normalisation() -> None:
    torch.manual_seed(0)
    head, other = MarginConv2d(8, 3, max_norm=0.01), nn.Conv2d(8, 3, 1)
    other.load_state_dict(head.state_dict())
    other = weight_norm(other)
    with torch.no_grad():
        other.parametrizations.weight.original0.fill_(0.01)
    x = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(head(x), other(x))
    head(x).square().sum().backward()
    other(x).square().sum().backward()
    torch.testing.assert_close(head.weight.grad, other.parametrizations.weight.original1.grad)


def test_without_a_bound_it_is_a_convolution() -> None:
    head = MarginConv2d(8, 3, max_norm=None)
    x = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(head(x), nn.functional.conv2d(x, head.weight, head.bias))


def test_features_cannot_be_scaled_up(network: MaxMarginNetwork, image: torch.Tensor) -> None:
    """The affine weights of the decoder's last normalisation change nothing once the head is in training."""
    last = [module for module in network.model.decoder.modules() if isinstance(module, nn.BatchNorm2d)][-1]
    network.train()
    with torch.no_grad():
        before = network(image)
        last.weight *= 10
        last.bias *= 10
        torch.testing.assert_close(network(image), before, rtol=1e-3, atol=1e-3)


def test_temperature_changes_confidence_alone(network: MaxMarginNetwork, image: torch.Tensor) -> None:
    network.eval()
    with torch.inference_mode():
        before = network(image)
        network.temperature.fill_(0.125)
        after = network(image)
        torch.testing.assert_close(after, 8 * before, rtol=0, atol=0)
        assert torch.equal(after.argmax(1), before.argmax(1))
        network.train()
        hot = network(image)
        network.temperature.fill_(1.0)
        torch.testing.assert_close(network(image), hot)  # training meets the margins themselves
    assert "temperature" in network.state_dict()


@pytest.mark.parametrize("size", [0.01, 50.0])
def test_a_head_beyond_the_bound_gives_the_same_logits(
    network: MaxMarginNetwork, image: torch.Tensor, size: float
) -> None:
    network.eval()
    head = network.margins
    weight, bias = size * torch.randn(5, head.in_channels, 1, 1), torch.randn(5)
    seen: list[torch.Tensor] = []
    head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        network.load_head(weight, bias, 2.0)
        logits = network(image)
        torch.testing.assert_close(logits, nn.functional.conv2d(seen[0], weight, bias) / 2, rtol=1e-4, atol=1e-4)
    assert (network.temperature == 2) == (size < 1)


@pytest.mark.parametrize("architecture", ["Unet", "FPN", "DeepLabV3Plus"])
def test_rest_of_the_network_is_that_of_the_architecture(architecture: str) -> None:
    plain = SmpNetwork(5, architecture=architecture, encoder="resnet18")
    network = MaxMarginNetwork(5, architecture=architecture, encoder="resnet18", dropout=0.1)
    others = {key for key in network.state_dict() if "segmentation_head" not in key}
    assert others == {key for key in plain.state_dict() if "segmentation_head" not in key} | {"temperature"}
    assert network.margins.kernel_size == (1, 1)


def test_a_few_steps_of_the_hinge_learn(network: MaxMarginNetwork, image: torch.Tensor) -> None:
    mask = (image[:, 0] > 0.5).long() + 2 * (image[:, 1] > 0.5).long()
    optimizer, loss = torch.optim.AdamW(network.parameters(), lr=3e-3), SquaredHinge()
    network.train()
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        losses.append(loss(network(image), mask))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]
    assert network.margins.bounded_weight.flatten(1).norm(dim=1).max() <= 1 + 1e-5


def test_wrong_bound() -> None:
    with pytest.raises(UserError, match="null for no bound"):
        MaxMarginNetwork(5, max_norm=0.0, **SMALL)
