from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file
from segmentation_models_pytorch.encoders.timm_vit import TimmViTEncoder
from timm.layers import DropPath
from torch import nn

from lightning_modules.networks.ensembles.multi_head import MultiHead
from lightning_modules.networks.fcn import FcnNetwork
from lightning_modules.networks.fusion.late import LateFusionNetwork
from lightning_modules.networks.fusion.middle import MiddleFusionNetwork
from lightning_modules.networks.heads.multi_task import MultiTaskNetwork
from lightning_modules.networks.parts.dropblock import DropBlock
from lightning_modules.networks.parts.recurrent import ReSeg
from lightning_modules.networks.smp import ARCHITECTURES, SmpNetwork
from user_error import UserError


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"architecture": "Unett"}, "Unet, UnetPlusPlus"),
        ({"encoder": "resnet81"}, "did you mean 'resnet"),
        ({"encoder": "tu-resnet81"}, "'tu-NAME'"),
        ({"decoder": {"attention": "scse"}}, "decoder_attention_type"),
        ({"decoder": {"decoder_attention_type": "psychic"}}, "psychic"),
        ({"drop_path": 0.1}, "no stochastic depth"),
        ({"drop_path": 1.5, "encoder": "mit_b0"}, "drop_path is 1.5"),
        ({"dropout": 2.0}, "dropout is 2"),
        ({"mean": [0.5, 0.5]}, "mean has 2 numbers for 3 channels"),
        ({"std": [0.2, 0.0, 0.2]}, "numbers above 0"),
        ({"decoder": {"aux_params": {"classes": 3}}}, "no argument 'aux_params'"),
        ({"decoder": {"activation": "softmax"}}, "no argument 'activation'"),
        ({"encoder": "tu-test_coatnet"}, "positions of one image size"),
    ],
)
def test_wrong_settings_are_named(settings: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        SmpNetwork(2, **settings)


FAMILIES = (
    "resnet18",
    "efficientnet-b0",
    "timm-efficientnet-b0",
    "mobilenet_v2",
    "mit_b0",
    "vgg11_bn",
    "tu-convnext_atto",
)
"""An encoder of each make."""


@pytest.mark.parametrize("encoder", FAMILIES)
@pytest.mark.parametrize("network", [SmpNetwork, FcnNetwork])
def test_gradients_reach_every_parameter_of_any_encoder(
    network: Callable[..., nn.Module], encoder: str, tmp_path: Path
) -> None:
    """And its pretrained weights fit, though what they do not need is gone."""
    made: Any = network(2, 3, encoder=encoder)
    if isinstance(made, FcnNetwork):
        nn.init.ones_(made.skip_scores[0].weight)
        nn.init.ones_(made.skip_scores[1].weight)
    made(torch.rand(2, 3, 65, 70)).square().sum().backward()
    assert [name for name, one in made.named_parameters() if one.grad is None] == []
    complete = smp.encoders.get_encoder(encoder, depth=5, weights=None)
    save_file({name: value.contiguous() for name, value in complete.state_dict().items()}, tmp_path / "x.safetensors")
    made.load_pretrained(str(tmp_path / "x.safetensors"))
    first = next(iter(made.encoder.state_dict()))
    assert torch.equal(made.encoder.state_dict()[first], complete.state_dict()[first])


@pytest.mark.parametrize("channels", [3, 4])
def test_a_vision_transformer_takes_weights_of_its_own(channels: int, tmp_path: Path) -> None:
    made: Any = SmpNetwork(2, channels, architecture="DPT", encoder="tu-vit_tiny_patch16_224")
    complete = TimmViTEncoder("vit_tiny_patch16_224", pretrained=False)
    save_file(complete.state_dict(), tmp_path / "x.safetensors")
    made.load_pretrained(str(tmp_path / "x.safetensors"))
    assert torch.equal(made.encoder.model.pos_embed, complete.model.pos_embed)
    learned = complete.model.patch_embed.proj.weight
    assert torch.allclose(made.encoder.model.patch_embed.proj.weight.mean(1), learned.mean(1)) == (channels == 3)
    assert made.encoder.model.patch_embed.proj.weight.shape[1] == channels


@pytest.mark.parametrize(
    "make",
    [
        partial(SmpNetwork, 2, parts=[ReSeg()]),
        partial(SmpNetwork, 2, parts=[DropBlock()]),
        partial(MultiHead, 2),
        partial(MultiTaskNetwork, 2),
        partial(MiddleFusionNetwork, 2, groups=[1, 2]),
        partial(LateFusionNetwork, 2, groups=[1, 2]),
    ],
)
def test_what_looks_at_maps_refuses_tokens(make: Callable[..., nn.Module]) -> None:
    with pytest.raises(UserError, match="choose another architecture"):
        make(architecture="DPT", encoder="tu-vit_tiny_patch16_224")


def test_images_of_other_channels_are_refused() -> None:
    with pytest.raises(UserError, match="takes images of 3 channels and was given 1"):
        SmpNetwork(2, encoder="tu-mobilenetv3_small_050")(torch.rand(1, 1, 64, 64))


@pytest.mark.parametrize("encoder", ["mit_b0", "tu-resnet18"])
def test_drop_path_grows_with_depth(encoder: str) -> None:
    network = SmpNetwork(2, architecture="Segformer", encoder=encoder, drop_path=0.3)
    rates = [module.drop_prob for module in network.model.encoder.modules() if isinstance(module, DropPath)]
    assert rates == sorted(rates)
    assert rates[0] == 0
    assert rates[-1] == pytest.approx(0.3)


def test_dropout_stands_before_the_head() -> None:
    network = SmpNetwork(2, encoder="tu-mobilenetv3_small_050", dropout=0.4)
    assert isinstance(network.model.segmentation_head[0], nn.Dropout2d)
    image = torch.zeros(1, 3, 64, 64)
    network.train()
    assert not torch.equal(network(image), network(image))


def test_normalisation_is_inside() -> None:
    network = SmpNetwork(2, 3, encoder="tu-mobilenetv3_small_050", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    image = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    torch.testing.assert_close(network.normalise(image)[0, 0, 0], torch.tensor([-1.0, 1.0]))


def test_attention_changes_the_decoder() -> None:
    plain, attentive = (
        sum(
            parameter.numel()
            for parameter in SmpNetwork(2, encoder="tu-mobilenetv3_small_050", decoder=decoder).parameters()
        )
        for decoder in ({}, {"decoder_attention_type": "scse"})
    )
    assert attentive > plain


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "DPT"])
def test_features_can_be_refined_on_their_way_to_any_decoder(architecture: str) -> None:
    class Mirror(nn.Module):
        def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
            return [feature.flip(3) for feature in features]

    network = SmpNetwork(2, architecture=architecture, encoder="resnet18").eval()
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before, weights = network(image), dict(network.encoder.state_dict())
        network.refine_features(Mirror())
        assert not torch.allclose(network(image), before)
        network.refine_features(Mirror())  # of what the first gives
        torch.testing.assert_close(network(image), before)
    assert network.encoder.state_dict().keys() == weights.keys()


def test_without_drop_path_nothing_is_dropped() -> None:
    """Smp's mit_b0 has a rate of its own."""
    network = SmpNetwork(2, architecture="Segformer", encoder="mit_b0", drop_path=0.0)
    assert not any(module.drop_prob for module in network.model.encoder.modules() if isinstance(module, DropPath))


def test_stages_beyond_the_depth_are_gone() -> None:
    """PSPNet reads three of five stages: the others would cost parameters, and DDP would wait for their gradients."""
    network = SmpNetwork(5, architecture="PSPNet", encoder="resnet18")
    names = [name for name, _ in network.encoder.named_parameters()]
    assert any(name.startswith("layer2") for name in names)
    assert not any(name.startswith(("layer3", "layer4")) for name in names)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_weights_of_a_whole_encoder_start_a_shallow_one(tmp_path: Path) -> None:
    complete = smp.encoders.get_encoder("resnet18", weights=None)
    save_file(complete.state_dict(), tmp_path / "resnet18.safetensors")
    network = SmpNetwork(5, architecture="PSPNet", encoder="resnet18")
    network.load_pretrained(str(tmp_path / "resnet18.safetensors"))
    torch.testing.assert_close(network.encoder.layer1[0].conv1.weight, complete.layer1[0].conv1.weight)


@torch.inference_mode()
def test_small_images_do_not_vanish_in_pan() -> None:
    network = SmpNetwork(5, architecture="PAN", encoder="resnet18").eval()
    assert network.least_side == 128
    assert network(torch.zeros(1, 3, 40, 40, dtype=torch.uint8)).shape == (1, 5, 40, 40)
