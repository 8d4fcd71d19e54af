import pytest
import torch
from timm.layers import EcaModule, SEModule
from timm.layers.cbam import CbamModule
from torch import Tensor, nn

from lightning_modules.networks.parts.attention_modules import CBAM, ECA, CrissCross, NonLocal, SqueezeExcitation

ALL = (SqueezeExcitation, ECA, CBAM, NonLocal, CrissCross)


def features(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def shuffled(module: nn.Module) -> nn.Module:
    """Random values for all parameters, those that begin at zero included."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    return module.eval()


def zero_biases(module: nn.Module) -> None:
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)


@pytest.mark.parametrize("module", ALL)
@pytest.mark.parametrize("shape", [(1, 16, 1, 1), (2, 24, 3, 5), (1, 1, 4, 2)])
@torch.inference_mode()
def test_keeps_the_shape(module: type[nn.Module], shape: tuple[int, ...]) -> None:
    assert shuffled(module(shape[1]))(features(*shape)).shape == shape


@pytest.mark.parametrize("module", ALL)
@torch.no_grad()
def test_compiles_in_one_graph(module: type[nn.Module]) -> None:
    plain, x = shuffled(module(16)), features(2, 16, 3, 5)
    compiled = torch.compile(plain, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), plain(x))


@torch.inference_mode()
def test_squeeze_excitation_is_that_of_timm() -> None:
    actual, other = shuffled(SqueezeExcitation(96)), SEModule(96, rd_channels=6)
    other.fc1.load_state_dict(actual.squeeze.state_dict())
    other.fc2.load_state_dict(actual.excite.state_dict())
    x = features(2, 96, 5, 3)
    torch.testing.assert_close(actual(x), other(x))


@pytest.mark.parametrize("channels", [16, 64, 128, 512])
@torch.inference_mode()
def test_eca_is_that_of_timm(channels: int) -> None:
    actual, other = shuffled(ECA(channels)), EcaModule(channels)
    other.conv.load_state_dict(actual.conv.state_dict())
    x = features(2, channels, 5, 3)
    torch.testing.assert_close(actual(x), other(x))


@torch.inference_mode()
def test_cbam_is_that_of_timm() -> None:
    """But for biases, and for the normalisation of the weights of places, which the paper does not have."""
    actual, other = shuffled(CBAM(96)), CbamModule(96, rd_channels=6)
    zero_biases(actual)
    other.channel.fc1.weight.copy_(actual.channel[0].weight)
    other.channel.fc2.weight.copy_(actual.channel[2].weight)
    other.spatial.conv.conv.weight.copy_(actual.place.weight)
    other.spatial.conv.bn = nn.Identity()
    x = features(2, 96, 5, 3)
    torch.testing.assert_close(actual(x), other(x))


@torch.inference_mode()
def test_non_local_is_a_softmax_over_all_pixels() -> None:
    module = shuffled(NonLocal(6))
    x = features(2, 6, 3, 4)
    expected = x.clone()
    for image, result in zip(x, expected, strict=True):
        query, key, value = (embed(image[None])[0] for embed in (module.query, module.key, module.value))
        for row in range(3):
            for column in range(4):
                weights = torch.einsum("d,dhw->hw", query[:, row, column], key).flatten().softmax(0).view(3, 4)
                context = (value * weights).sum((1, 2))
                result[:, row, column] += module.out(context.view(1, -1, 1, 1)).flatten()
    torch.testing.assert_close(module(x), expected)


def criss_cross_by_hand(module: CrissCross, x: Tensor) -> Tensor:
    """One pass over an image (1, C, H, W), pixel by pixel."""
    query, key, value = module.query(x)[0], module.key(x)[0], module.value(x)[0]
    height, width = x.shape[2:]
    result = x.clone()
    for row in range(height):
        for column in range(width):
            cross = [(row, other) for other in range(width)]
            cross += [(other, column) for other in range(height) if other != row]
            scores = torch.stack([query[:, row, column] @ key[:, r, c] for r, c in cross])
            context = sum(weight * value[:, r, c] for weight, (r, c) in zip(scores.softmax(0), cross, strict=True))
            result[0, :, row, column] += module.weight[0] * context
    return result


@pytest.mark.parametrize("size", [(3, 4), (1, 5), (5, 1), (1, 1)])
@torch.inference_mode()
def test_criss_cross_is_a_softmax_over_row_and_column(size: tuple[int, int]) -> None:
    module = shuffled(CrissCross(16))
    x = features(1, 16, *size)
    expected = criss_cross_by_hand(module, criss_cross_by_hand(module, x))
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize(("recurrence", "reached"), [(1, 9), (2, 25)])
def test_criss_cross_reaches_every_pixel_in_two_passes(recurrence: int, reached: int) -> None:
    module = shuffled(CrissCross(8, recurrence))
    x = features(1, 8, 5, 5).requires_grad_()
    module(x)[0, :, 1, 2].sum().backward()
    assert x.grad.abs().sum(1).count_nonzero() == reached


@pytest.mark.parametrize("module", [NonLocal, CrissCross])
@torch.inference_mode()
def test_has_no_effect_until_trained(module: type[nn.Module]) -> None:
    x = features(2, 16, 5, 3)
    torch.testing.assert_close(module(16)(x), x, rtol=0, atol=0)
    assert not torch.allclose(shuffled(module(16))(x), x)
