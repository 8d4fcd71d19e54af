"""Encoders of timm at any image size, or at the one that they are made for."""

import copy
from typing import Any

import pytest
import timm
import torch

from lightning_modules.networks.fcn import FcnNetwork
from lightning_modules.networks.hiera import AnySizeHiera
from lightning_modules.networks.parts.frozen import FrozenEncoder
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError


def draw(*size: int) -> torch.Tensor:
    return torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def test_hiera_is_that_of_timm() -> None:
    """At its own size, and at another where positions are those of timm's resampling; a copy keeps its own sizes."""
    network: Any = SmpNetwork(2, encoder="tu-hiera_tiny_224").eval()
    model = network.encoder.model.model
    assert isinstance(model, AnySizeHiera)
    reference = timm.create_model("hiera_tiny_224", num_classes=0).eval()
    reference.load_state_dict(model.state_dict(), strict=False)
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    copied = copy.deepcopy(model)
    assert network(draw(33, 70)).shape == (1, 2, 33, 70)
    for one in (model, copied):
        found = one.forward_intermediates(x, intermediates_only=True)
        for mine, theirs in zip(found, reference.forward_intermediates(x, intermediates_only=True), strict=True):
            torch.testing.assert_close(mine, theirs)
    wide = timm.create_model("hiera_tiny_224", img_size=(64, 96), num_classes=0).eval()
    state = reference.state_dict()
    state["pos_embed"] = timm.layers.resample_abs_pos_embed(state["pos_embed"], [16, 24], [56, 56], 0)
    wide.load_state_dict(state)
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        model.forward_intermediates(x, intermediates_only=True)[-1],
        wide.forward_intermediates(x, intermediates_only=True)[-1],
    )


@pytest.mark.parametrize(
    ("architecture", "encoder", "multiple"),
    [
        ("Unet", "tu-test_maxvit", 160),
        ("FPN", "tu-test_maxvit", 160),
        ("DPT", "tu-vit_small_patch14_dinov2", 28),
        ("DPT", "tu-eva02_tiny_patch14_224", 28),
        ("Unet", "tu-hiera_tiny_224", 32),
    ],
)
@torch.inference_mode()
def test_any_size(architecture: str, encoder: str, multiple: int) -> None:
    network = SmpNetwork(2, architecture=architecture, encoder=encoder).eval()
    assert network.stride == multiple
    for size in ((1, 1), (33, 47), (30, 170)):
        logits = network(draw(*size))
        assert logits.shape == (1, 2, *size)
        assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("kind", "settings", "native"),
    [
        (SmpNetwork, {"encoder": "tu-test_coatnet"}, 160),
        (FcnNetwork, {"encoder": "tu-test_coatnet"}, 160),
        (SmpNetwork, {"encoder": "tu-mvitv2_tiny"}, 224),
        (SmpNetwork, {"architecture": "DPT", "encoder": "tu-vit_relpos_small_patch16_224"}, 224),
    ],
)
def test_one_size(kind: Any, settings: dict[str, Any], native: int) -> None:
    """Refused, and made for a size that is asked for: smaller images are padded to it, larger ones refused."""
    with pytest.raises(
        UserError, match=rf"positions of one image size: set image_size, such as {native}.*sliding windows"
    ):
        kind(2, **settings)
    network = kind(2, **settings, image_size=64).eval()
    with torch.inference_mode():
        assert network(draw(33, 64)).shape == (1, 2, 33, 64)
    with pytest.raises(UserError, match=r"was made for images of 64 x 64 and was given 65 x 30.*sliding windows"):
        network(draw(65, 30))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encoder": "resnet18", "image_size": 64}, "takes images of any size: leave image_size out"),
        (
            {"encoder": "tu-test_coatnet", "image_size": 70},
            "cannot be made for images of 70 x 70: set image_size to 160",
        ),
        ({"encoder": "tu-test_vit"}, r"reads maps of a quarter.*FoundationNetwork"),
        (
            {"encoder": "tu-xcit_nano_12_p16_224", "architecture": "DPT"},
            "smp cannot build DPT on 'tu-xcit_nano_12_p16_224'",
        ),
    ],
)
def test_refusals(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SmpNetwork(2, **settings)


def test_a_frozen_encoder_under_smp() -> None:
    network: Any = SmpNetwork(2, encoder="tu-test_resnet", parts=[FrozenEncoder()]).train()
    before = {name: one.clone() for name, one in network.encoder.state_dict().items()}
    network(draw(64, 64).expand(2, -1, -1, -1)).square().mean().backward()
    assert all(torch.equal(one, before[name]) for name, one in network.encoder.state_dict().items())
    assert all(one.grad is None for one in network.encoder.parameters())
    assert all(one.grad is not None for one in network.model.decoder.parameters())
    assert network.model.decoder.training
    assert not network.encoder.training
