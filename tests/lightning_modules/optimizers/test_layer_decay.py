"""Layer-wise learning-rate decay, against timm's own groups and by hand."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from resumed import assert_resumes
from timm.optim import param_groups_layer_decay

from lightning_modules.networks.foundation.network import FoundationNetwork
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.optimizers.layer_decay import compute_layer_scales
from lightning_modules.optimizers.sam import SAM
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

TINY: dict[str, Any] = {"depth": 3, "embed_dim": 48, "num_heads": 3}


def make(**settings: Any) -> SegmentationModule:
    return SegmentationModule(lambda *sizes: FoundationNetwork(*sizes, encoder_args=TINY), 4, **settings)


def test_rates_by_hand() -> None:
    """Three blocks: 1e-3 for the head, half of it for the third block and the norm, an eighth of that for the embedding."""
    module: Any = make(layer_decay=0.5, optimizer=lambda groups: torch.optim.AdamW(groups, lr=1e-3))
    optimiser = module.configure_optimizers()
    rates = {id(one): group["lr"] for group in optimiser.param_groups for one in group["params"]}
    decays = {id(one): group["weight_decay"] for group in optimiser.param_groups for one in group["params"]}
    model, head = module.network.encoder.model, module.network.head
    expected = {
        head.score.weight: (1e-3, 0.01),
        head.norm.weight: (1e-3, 0.0),
        model.norm.weight: (5e-4, 0.0),
        model.blocks[2].attn.qkv.weight: (5e-4, 0.01),
        model.blocks[0].mlp.fc1.bias: (1.25e-4, 0.0),
        model.patch_embed.proj.weight: (6.25e-5, 0.01),
        model.pos_embed: (6.25e-5, 0.0),
        model.cls_token: (6.25e-5, 0.0),
    }
    for parameter, (rate, decay) in expected.items():
        assert rates[id(parameter)] == pytest.approx(rate)
        assert decays[id(parameter)] == decay
    assert rates.keys() == {id(one) for one in module.parameters()}


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "test_convnext", "test_efficientnet"])
def test_layers_are_those_of_timm(name: str) -> None:
    """Also where the model was taken apart for its feature maps."""
    architecture = "DPT" if "vit" in name else "Unet"
    network: Any = SmpNetwork(2, architecture=architecture, encoder=f"tu-{name}")
    scales = compute_layer_scales(network, 0.5)
    whole = timm.create_model(name)
    groups = param_groups_layer_decay(whole, layer_decay=0.5)
    known = {id(one): group["lr_scale"] for group in groups for one in group["params"]}
    reference = {key.replace(".", "_"): known[id(one)] for key, one in whole.named_parameters()}
    for key, parameter in network.encoder.model.named_parameters():
        assert scales[id(parameter)] == reference[key.removeprefix("model.").replace(".", "_")], key
    assert not {id(one) for one in network.model.decoder.parameters()} & scales.keys()


def test_sam_has_the_rates_too() -> None:
    module: Any = make(
        layer_decay=0.5, optimizer=lambda groups: SAM(groups, base=lambda of: torch.optim.SGD(of, lr=1.0))
    )
    rates = {group["lr"] for group in module.configure_optimizers().base.param_groups}
    assert rates == {1.0, 0.5, 0.25, 0.125, 0.0625}


def test_without_it_there_are_two_groups() -> None:
    assert [sorted(group) for group in make().make_parameter_groups()] == [["params"], ["params", "weight_decay"]]


@pytest.mark.parametrize("decay", [0.0, -1.0, 1.5, float("nan")])
def test_no_factor(decay: float) -> None:
    with pytest.raises(UserError, match="above 0 and at most 1"):
        make(layer_decay=decay).make_parameter_groups()


def test_an_encoder_of_no_known_order() -> None:
    with pytest.raises(UserError, match="needs an encoder of timm"):
        compute_layer_scales(SmpNetwork(2, encoder="mobilenet_v2"), 0.5)


def test_it_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes("synthetic_unet", tmp_path, monkeypatch, "--model.init_args.layer_decay=0.7")
