import pytest
import torch

from lightning_modules.networks.parts.decoder_inputs import find_decoder_inputs
from lightning_modules.networks.smp import ARCHITECTURES, SmpNetwork

SMALL = "tu-mobilenetv3_small_050"


def with_gradient(network: SmpNetwork) -> set[int]:
    """Maps that autograd reaches from the logits."""
    network.eval()
    with torch.no_grad():
        features = network.model.encoder(torch.zeros(1, 3, 128, 128))
    features = [feature.requires_grad_() for feature in features]
    output = network.model.decoder(list(features)).sum()
    gradients = torch.autograd.grad(output, features, allow_unused=True)
    reached = {index for index, gradient in enumerate(gradients) if gradient is not None}
    return {index for index in reached if features[index].numel()}


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "DPT"])
def test_agrees_with_autograd(architecture: str) -> None:
    network = SmpNetwork(2, architecture=architecture, encoder=SMALL)
    found = find_decoder_inputs(network)
    assert network.training
    assert set(found) == with_gradient(network)
    assert found == {index: network.encoder.out_channels[index] for index in found}


@pytest.mark.parametrize(
    ("settings", "indices"),
    [
        ({"architecture": "DeepLabV3Plus", "encoder": SMALL}, [2, 5]),
        ({"architecture": "FPN", "encoder": SMALL}, [2, 3, 4, 5]),
        ({"architecture": "Unet", "encoder": SMALL}, [1, 2, 3, 4, 5]),
        ({"architecture": "Unet", "encoder": "mit_b0"}, [2, 3, 4, 5]),  # its first stage is empty
        ({"architecture": "Unet", "encoder": "vgg11_bn"}, [1, 2, 3, 4, 5]),  # its first map is not the image
    ],
)
def test_known_decoders(settings: dict, indices: list[int]) -> None:
    assert list(find_decoder_inputs(SmpNetwork(2, **settings))) == indices


def test_leaves_no_trace() -> None:
    network = SmpNetwork(2, encoder=SMALL)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(0)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    find_decoder_inputs(network)
    assert torch.equal(torch.rand(1), drawn)
    torch.testing.assert_close(dict(network.state_dict()), before, rtol=0, atol=0)
