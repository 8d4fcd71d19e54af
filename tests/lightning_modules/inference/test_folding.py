"""Folded normalisation gives the same logits, wherever the network lets it."""

import pytest
import torch
from members import images, small
from torch import nn

from lightning_modules.inference.folding import fold_batch_norms
from lightning_modules.networks.ensembles.ensemble import Ensemble
from lightning_modules.networks.smp import SmpNetwork


def count_norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def randomise(network: nn.Module) -> nn.Module:
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v2", "timm-efficientnet-b0", "tu-regnetx_002"])
@torch.inference_mode()
def test_every_normalisation_of_an_encoder_decoder_is_folded(encoder: str) -> None:
    network = randomise(SmpNetwork(3, 3, architecture="Unet", encoder=encoder))
    folded = fold_batch_norms(network, images())
    assert count_norms(network) > 20
    assert count_norms(folded) == 0
    torch.testing.assert_close(folded(images(seed=1)), network(images(seed=1)), rtol=0, atol=1e-4)


@torch.inference_mode()
def test_members_are_folded_and_the_original_stays() -> None:
    network = Ensemble(3, 3, members=[small, small]).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold_batch_norms(network, images())
    assert count_norms(folded) == 0
    torch.testing.assert_close(folded(images()), network(images()), rtol=0, atol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class Branch(nn.Module):
    """What its convolution gives is normalised, and read beside; or the convolution is called twice."""

    def __init__(self, twice: bool) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)
        self.twice = twice

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = image.float() / 255
        found = self.layer(x)
        return self.norm(found) + (self.layer(x) if self.twice else found)


@pytest.mark.parametrize("twice", [False, True])
@torch.inference_mode()
def test_a_convolution_that_is_also_read_beside_its_normalisation_stays(twice: bool) -> None:
    network = randomise(Branch(twice))
    assert fold_batch_norms(network, images()) is network


class Swapped(nn.Module):
    """The order of its layers is not that of their calls."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.norm(self.second(self.first(image.float() / 255)))


@torch.inference_mode()
def test_the_convolution_that_feeds_a_normalisation_is_observed() -> None:
    network = randomise(Swapped())
    folded = fold_batch_norms(network, images())
    assert count_norms(folded) == 0
    assert torch.equal(folded.get_parameter("first.weight"), network.get_parameter("first.weight"))
    torch.testing.assert_close(folded(images(seed=1)), network(images(seed=1)))
