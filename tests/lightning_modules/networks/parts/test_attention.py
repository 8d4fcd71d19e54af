from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import nn

from lightning_modules.networks.parts.attention import Attention, Kind
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

SMALL = "tu-mobilenetv3_small_050"
TINY: dict[str, Any] = {"encoder": SMALL, "decoder": {"decoder_channels": [32, 24, 16, 16, 8]}}
SHALLOW: dict[str, Any] = {"encoder_depth": 3, "decoder": {"decoder_channels": [32, 24, 16]}}
KINDS = get_args(Kind)


def images(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def refined(network: SmpNetwork) -> list[int]:
    return sorted(int(name) for name in network.model.encoder.refine.stages)


@pytest.mark.parametrize("kind", KINDS)
def test_stands_where_it_says(kind: str) -> None:
    network = SmpNetwork(2, parts=[Attention(kind)], **TINY)
    assert refined(network) == ([5] if kind in ("non_local", "criss_cross") else [1, 2, 3, 4, 5])


@pytest.mark.parametrize("architecture", ["DeepLabV3Plus", "FPN", "PSPNet", "Segformer"])
@pytest.mark.parametrize("kind", ["eca", "criss_cross"])
def test_gradients_reach_it_in_other_architectures(architecture: str, kind: str) -> None:
    network = SmpNetwork(2, parts=[Attention(kind)], architecture=architecture, encoder=SMALL)
    network(images(2, 3, 128, 128)).square().mean().backward()
    attention = network.model.encoder.refine
    assert list(attention.parameters())
    assert all(parameter.grad is not None for parameter in attention.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter_where_a_stage_is_empty(kind: str) -> None:
    network = SmpNetwork(2, parts=[Attention(kind)], encoder="tu-convnext_atto")
    network(images(2, 3, 64, 64)).square().mean().backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_changes_the_plain_network_or_starts_as_it(kind: str) -> None:
    network, plain = SmpNetwork(2, parts=[Attention(kind)], **TINY).eval(), SmpNetwork(2, **TINY).eval()
    plain.model.decoder.load_state_dict(network.model.decoder.state_dict())
    plain.model.segmentation_head.load_state_dict(network.model.segmentation_head.state_dict())
    plain.encoder.load_state_dict(network.encoder.state_dict())
    same = torch.equal(network(images(1, 3, 64, 64)), plain(images(1, 3, 64, 64)))
    assert same == (kind in ("non_local", "criss_cross"))


@torch.no_grad()
def test_compiles_in_one_graph() -> None:
    network = SmpNetwork(2, parts=[Attention()], **SHALLOW).eval()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(images(2, 3, 64, 64)), network(images(2, 3, 64, 64)))


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_runs_in_half_precision(kind: str) -> None:
    network = SmpNetwork(2, parts=[Attention(kind)], **TINY).eval()
    full = network(images(2, 3, 64, 64))
    with torch.autocast("cpu", torch.bfloat16):
        half = network(images(2, 3, 64, 64))
    assert nn.functional.cosine_similarity(full.flatten(), half.float().flatten(), dim=0) > 0.99


def test_pretrained_weights_reach_the_encoder(tmp_path: Path) -> None:
    torch.manual_seed(1)
    weights = SmpNetwork(2, encoder="mobilenet_v2", decoder=TINY["decoder"]).encoder.state_dict()
    torch.save(weights, tmp_path / "weights.pt")
    network = SmpNetwork(2, parts=[Attention()], encoder="mobilenet_v2", decoder=TINY["decoder"])
    network.load_pretrained(str(tmp_path / "weights.pt"))
    torch.testing.assert_close(network.encoder.state_dict(), weights, rtol=0, atol=0)


def test_an_unknown_attention_is_named() -> None:
    with pytest.raises(UserError, match="'psychic': choose one of se, eca"):
        Attention("psychic")  # type: ignore[arg-type]
