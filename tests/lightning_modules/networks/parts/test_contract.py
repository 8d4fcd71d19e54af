"""Ideas that are built into one network together."""

from itertools import combinations
from typing import Any

import pytest
import torch

from lightning_modules.networks.classical_features import ClassicalFeatureNetwork
from lightning_modules.networks.ensembles.batch_ensemble import BatchEnsemble
from lightning_modules.networks.ensembles.multi_head import MultiHead
from lightning_modules.networks.features.lbp import Lbp
from lightning_modules.networks.fusion.late import LateFusionNetwork
from lightning_modules.networks.fusion.middle import MiddleFusionNetwork
from lightning_modules.networks.heads.max_margin import MaxMarginNetwork
from lightning_modules.networks.parts.attention import Attention
from lightning_modules.networks.parts.attention_gates import AttentionGates
from lightning_modules.networks.parts.dropblock import DropBlock
from lightning_modules.networks.parts.mix_style import MixStyle
from lightning_modules.networks.parts.recurrent import ConvGru, ReSeg
from lightning_modules.networks.refined_encoder import RefinedEncoder
from lightning_modules.networks.smp import Part, SmpNetwork

SMALL: dict[str, Any] = {
    "encoder": "tu-mobilenetv3_small_050",
    "encoder_depth": 3,
    "decoder": {"decoder_channels": [16, 8, 8]},
}
PARTS: dict[str, Part] = {
    "cbam": Attention("cbam"),
    "non_local": Attention("non_local"),
    "reseg": ReSeg(hidden=4),
    "dropblock": DropBlock(probability=0.2, size=1),
    "gates": AttentionGates(),
    "conv_gru": ConvGru(hidden=4),
    "mix_style": MixStyle(probability=1.0),
}


def images(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def without_gradient(network: torch.nn.Module) -> list[str]:
    for seed in range(3):  # what is dropped gets its gradient another time
        torch.manual_seed(seed)
        network(images(4, 3, 32, 48)).square().mean().backward()
    return [name for name, parameter in network.named_parameters() if parameter.grad is None]


@pytest.mark.parametrize("names", [*combinations(PARTS, 2), (*PARTS,)], ids="+".join)
def test_any_of_them_together(names: tuple[str, ...]) -> None:
    network = SmpNetwork(2, parts=[PARTS[name] for name in names], **SMALL)
    assert not without_gradient(network)
    network.eval()
    with torch.inference_mode():
        assert network(images(1, 3, 33, 47)).shape == (1, 2, 33, 47)


def test_the_first_sees_the_encoder_and_the_last_the_decoder() -> None:
    network = SmpNetwork(2, parts=[Attention("eca"), Attention("cbam"), ReSeg(hidden=4)], **SMALL)
    found, kinds = network.model.encoder, []
    while isinstance(found, RefinedEncoder):
        kinds.append([type(one).__name__ for one in found.refine.stages.values()])
        found = found.encoder
    assert kinds == [["Sequential"], ["CBAM"] * 3, ["ECA"] * 3]  # the outermost is the last
    assert found is network.encoder


@pytest.mark.parametrize(
    ("network", "settings"),
    [
        (BatchEnsemble, {"size": 2}),
        (MultiHead, {"heads": 2}),
        (MaxMarginNetwork, {}),
        (ClassicalFeatureNetwork, {"features": [Lbp()]}),
        (MiddleFusionNetwork, {"fusion": "attention"}),
        (LateFusionNetwork, {"fusion": "attention"}),
    ],
)
def test_in_networks_of_other_ideas(network: Any, settings: dict) -> None:
    built = network(
        2, 3, parts=[Attention("cbam"), AttentionGates(), ConvGru(hidden=4), MixStyle()], **settings, **SMALL
    )
    assert not without_gradient(built)
    with torch.inference_mode():
        assert torch.isfinite(built.eval()(images(2, 3, 32, 48))).all()


def test_fused_maps_are_refined_and_encoders_keep_their_weights(tmp_path: Any) -> None:
    """An encoder of each modality, a refinement of what they become together, or of each where each has a decoder."""
    plain: dict[str, Any] = {"encoder": "mobilenet_v2", "decoder": {"decoder_channels": [32, 24, 16, 16, 8]}}
    torch.save(SmpNetwork(2, 3, **plain).encoder.state_dict(), tmp_path / "weights.pt")
    for network, refined in ((MiddleFusionNetwork, 1), (LateFusionNetwork, 3)):
        built = network(2, 3, parts=[Attention("eca")], **plain)
        built.load_pretrained(str(tmp_path / "weights.pt"))
        assert sum(isinstance(module, RefinedEncoder) for module in built.modules()) == refined
        deep = [encoder.state_dict()["features.18.0.weight"] for encoder in built.encoders]
        assert len(deep) == 3
        assert all(torch.equal(one, deep[0]) for one in deep)
