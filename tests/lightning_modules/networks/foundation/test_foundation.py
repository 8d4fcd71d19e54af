"""Foundation encoders, held against timm itself, under each head."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from lightning_modules.networks.foundation.heads import DptHead, LinearHead, UnetHead
from lightning_modules.networks.foundation.network import FoundationNetwork
from lightning_modules.networks.foundation.tokens import TokenEncoder
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

V2, REGISTERS, V3 = "vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2", "vit_small_patch16_dinov3"
TINY: dict[str, Any] = {"depth": 3, "embed_dim": 48, "num_heads": 3}


def make(encoder: str = V2, channels: int = 3, seed: int = 0, **settings: Any) -> FoundationNetwork:
    torch.manual_seed(seed)
    return FoundationNetwork(4, channels, encoder, **{"encoder_args": TINY, **settings})


def draw(*size: int, channels: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (2, channels, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("encoder", [V2, REGISTERS, V3])
@torch.inference_mode()
def test_tokens_are_those_of_timm(encoder: str) -> None:
    """The last layer's after the last norm, on a grid that is no square and, for learnt positions, not their own."""
    network = make(encoder).eval()
    patch = network.stride
    image = draw(3 * patch, 5 * patch)
    (found,), (prefix,) = network.encoder(network.normalise(image))
    reference = timm.create_model(encoder, num_classes=0, dynamic_img_size=True, **TINY).eval()
    reference.load_state_dict(network.encoder.model.state_dict())
    config = reference.pretrained_cfg
    mean, std = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    tokens = reference.forward_features((image / 255 - mean) / std)
    skipped = reference.num_prefix_tokens
    assert skipped == (1 if encoder == V2 else 5)
    torch.testing.assert_close(found.flatten(2).transpose(1, 2), tokens[:, skipped:])
    torch.testing.assert_close(prefix, tokens[:, :skipped])


@torch.inference_mode()
def test_the_linear_head_by_hand() -> None:
    """Normalised tokens of the last two layers, weighted, and resized to the padded image."""
    network = make(head=partial(LinearHead, last=2)).eval()
    image = draw(30, 40)
    x = F.pad(network.normalise(image), (0, 2, 0, 12), mode="replicate")
    maps = network.encoder.model.forward_intermediates(x, indices=[1, 2], norm=True, intermediates_only=True)
    tokens = torch.cat(maps, 1) / (1 + 1e-5) ** 0.5  # of batch normalisation before its first batch
    logits = torch.einsum("kd,bdhw->bkhw", network.head.score.weight[:, :, 0, 0], tokens)
    expected = F.interpolate(logits, (42, 42), mode="bilinear")[..., :30, :40]
    torch.testing.assert_close(network(image), expected)


@pytest.mark.parametrize("head", [UnetHead, DptHead])
@pytest.mark.parametrize(("encoder", "size"), [(V2, (1, 1)), (V2, (43, 29)), (V3, (17, 50)), (V2, (560, 30))])
def test_heads_at_any_size(head: Any, encoder: str, size: tuple[int, int]) -> None:
    """Also beyond the 37 patches of the positions that DINOv2 has."""
    small = {"width": 8, "decoder_channels": [8] * 4} if head is UnetHead else {"intermediate_channels": [8] * 4}
    network = make(encoder, head=partial(head, **small), encoder_args={**TINY, "depth": 4}).eval()
    with torch.inference_mode():
        logits = network(draw(*size))
    assert logits.shape == (2, 4, *size)
    assert torch.isfinite(logits).all()


def test_layers_of_heads() -> None:
    assert LinearHead(8, 1, 2, last=3).choose_layers(12) == [9, 10, 11]
    assert UnetHead(8, 1, 2, width=4).choose_layers(12) == [2, 5, 8, 11]
    assert DptHead(8, 1, 2, layers=[0, 1, 2, -1]).choose_layers(12) == [0, 1, 2, 11]
    with pytest.raises(UserError, match="the encoder has 2"):
        LinearHead(8, 1, 2, last=3).choose_layers(2)
    with pytest.raises(UserError, match="different ones"):
        UnetHead(8, 1, 2, width=4).choose_layers(3)


def test_a_frozen_encoder_is_not_trained() -> None:
    """It is in no parameter group, keeps its mode and its weights, and still hands gradients to the image."""
    module = SegmentationModule(
        lambda classes, channels: make(frozen=True, encoder_args={**TINY, "drop_path_rate": 0.5}), 4
    )
    network: Any = module.network
    before = {name: one.clone() for name, one in network.encoder.state_dict().items()}
    module.train()
    assert network.head.training
    assert not any(one.training for one in network.encoder.modules())
    grouped = [id(one) for group in module.make_parameter_groups() for one in group["params"]]
    assert sorted(grouped) == sorted(id(one) for one in network.head.parameters())
    optimiser = torch.optim.SGD(module.make_parameter_groups(), lr=1.0)
    image = (draw(28, 28) / 255).requires_grad_()
    network(image).square().mean().backward()
    optimiser.step()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert all(one.grad is None for one in network.encoder.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.encoder.state_dict().items())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(("encoder", "channels"), [(V2, 3), (V2, 5), (V3, 1)])
def test_weights_from_a_file(tmp_path: Path, encoder: str, channels: int, suffix: str) -> None:
    """Those of timm, classifier included; other channels get the colours in turn."""
    torch.manual_seed(1)
    state = timm.create_model(encoder, num_classes=7, **TINY).state_dict()
    path = tmp_path / f"weights{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    network = make(encoder, channels)
    network.load_pretrained(str(path))
    loaded, first = network.encoder.model.state_dict(), "patch_embed.proj.weight"
    assert all(torch.equal(value, state[name]) for name, value in loaded.items() if name != first)
    expected = state[first].sum(1, keepdim=True) if channels == 1 else state[first][:, [0, 1, 2, 0, 1][:channels]]
    torch.testing.assert_close(loaded[first], expected * (3 / channels if channels > 1 else 1))


def test_weights_in_the_form_of_the_authors(tmp_path: Path) -> None:
    """DINOv2 with registers: the class token's position stands in the file apart, on a grid of another size."""
    network = make(REGISTERS)
    state = {name: torch.randn_like(one) for name, one in network.encoder.model.state_dict().items()}
    position = torch.randn(1, 1 + 37 * 37, 48)
    theirs = {name: one for name, one in state.items() if name not in ("reg_token", "pos_embed")}
    theirs |= {"register_tokens": state["reg_token"], "mask_token": torch.zeros(1, 48), "pos_embed": position}
    torch.save({"teacher": {f"backbone.{name}": one for name, one in theirs.items()}}, tmp_path / "dinov2.pth")
    network.load_pretrained(str(tmp_path / "dinov2.pth"))
    loaded = network.encoder.model.state_dict()
    torch.testing.assert_close(loaded["cls_token"], state["cls_token"] + position[:, :1])
    torch.testing.assert_close(loaded["pos_embed"], position[:, 1:])
    torch.testing.assert_close(loaded["blocks.1.attn.qkv.weight"], state["blocks.1.attn.qkv.weight"])


def test_positions_of_another_grid_are_resampled(tmp_path: Path) -> None:
    source = timm.create_model(V2, img_size=28, num_classes=0, **TINY)
    torch.nn.init.constant_(source.pos_embed, 0.5)
    torch.save(source.state_dict(), tmp_path / "small.pth")
    network = make()
    network.load_pretrained(str(tmp_path / "small.pth"))
    torch.testing.assert_close(network.encoder.model.pos_embed, torch.full((1, 1 + 37 * 37, 48), 0.5))


def test_weights_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = make()
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    torch.save({"a": "text"}, tmp_path / "text.pth")
    torch.save(timm.create_model(V3, **TINY).state_dict(), tmp_path / "v3.pth")
    for name in ("other", "text", "v3"):
        with pytest.raises(UserError, match="does not fit the encoder 'vit_small_patch14_dinov2'"):
            network.load_pretrained(str(tmp_path / f"{name}.pth"))
    with pytest.raises(UserError, match="no file"):
        network.load_pretrained(str(tmp_path / "none.pth"))
    with pytest.raises(UserError, match=r"no weights 'imagenet': pass 'pretrained', 'lvd142m'"):
        network.load_pretrained("imagenet")
    monkeypatch.setattr("lightning_modules.networks.pretrained.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("lightning_modules.networks.foundation.weights.try_to_load_from_cache", lambda *_, **__: None)
    for weights in ("pretrained", "lvd142m"):
        with pytest.raises(UserError, match=r"cannot be reached.*local file"):
            network.load_pretrained(weights)


def test_one_size() -> None:
    """Of an encoder whose positions are not interpolated: smaller images are padded, larger ones refused."""
    name = "beit_base_patch16_224"
    with pytest.raises(UserError, match="set image_size, such as 224"):
        make(name)
    network = make(name, image_size=32).eval()
    assert network(draw(20, 32)).shape == (2, 4, 20, 32)
    with pytest.raises(UserError, match="was made for images of 32 x 32 and was given 33 x 20"):
        network(draw(33, 20))
    with pytest.raises(UserError, match="image_size is 40"):
        make(name, image_size=40)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encoder": "vit_small_patch14_dinov"}, "did you mean"),
        ({"encoder": "vit_small_patch14_dinov2.none"}, "Invalid pretrained tag"),
        ({"encoder": "hf-hub:a/b"}, "unknown encoder 'hf-hub:a/b': see the list of timm"),
        ({"encoder": "tu-vit_tiny_patch16_224"}, "did you mean 'vit_tiny_patch16_224'"),
        ({"encoder": "resnet18"}, "take SmpNetwork"),
        ({"encoder_args": {"pretrained": True}}, "takes no 'pretrained'"),
        ({"encoder_args": {"checkpoint_path": "x.pth"}}, "takes no 'checkpoint_path'"),
        ({"encoder_args": {"img_size": 28}}, "decided by image_size"),
        ({"encoder_args": {"embed_dim": 30, "num_heads": 4}}, "timm cannot make"),
        ({"head": partial(LinearHead, last=0)}, "at least 1"),
        ({"head": partial(LinearHead, last=4)}, "the encoder has 3"),
        ({"head": partial(UnetHead, layers=[0, 1])}, "give 4 numbers"),
        ({"head": partial(DptHead, readout="mean")}, "'cat', 'add' or 'ignore'"),
        ({"head": partial(DptHead, fusion_channels=0)}, "at least 1"),
    ],
)
def test_refusals(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(**settings)


def test_positions_and_prefix_tokens_do_not_decay() -> None:
    module = SegmentationModule(lambda classes, channels: make(REGISTERS), 4)
    decayed, spared = ({id(one) for one in group["params"]} for group in module.make_parameter_groups())
    model: Any = module.network.encoder.model  # type: ignore[union-attr]
    assert {id(model.pos_embed), id(model.cls_token), id(model.reg_token)} <= spared
    assert id(model.patch_embed.proj.weight) in decayed


def test_an_encoder_is_made_anew_with_its_settings() -> None:
    encoder = TokenEncoder(V2, 3, arguments=TINY)
    other = encoder.make_like(5)
    assert (other.depth, other.channels) == (3, 48)
    assert other.model.patch_embed.proj.weight.shape[1] == 5
