"""MixStyle by what is left of a map: its standardised form, and statistics on the way from its own to those of another image."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from resumed import assert_resumes
from torch import Tensor

from lightning_modules.networks.fusion.late import LateFusionNetwork
from lightning_modules.networks.fusion.middle import MiddleFusionNetwork
from lightning_modules.networks.parts.dropblock import DropBlock
from lightning_modules.networks.parts.frozen import FrozenEncoder
from lightning_modules.networks.parts.mix_style import EPSILON, MixStyle, draw_ratios, mix_styles
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

SMALL: dict[str, Any] = {
    "encoder": "tu-test_resnet",
    "encoder_depth": 4,
    "decoder": {"decoder_channels": [32, 16, 8, 8]},
}


def maps(number: int = 4, channels: int = 5) -> Tensor:
    """Of images and channels that all differ in mean and deviation."""
    draw = torch.Generator().manual_seed(0)
    mean, deviation = torch.rand(2, number, channels, 1, 1, generator=draw)
    return torch.randn(number, channels, 9, 11, generator=draw) * (deviation + 0.2) + mean


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Means and deviations (B, C) of the paper, in double precision."""
    x = x.double().flatten(2)
    return x.mean(2), (x.var(2, correction=0) + EPSILON).sqrt()


@pytest.mark.parametrize("seed", range(6))
def test_statistics_are_blends_and_all_else_stays(seed: int) -> None:
    """One partner and one ratio for each image, the same for means, deviations and channels."""
    x = maps(8)
    torch.manual_seed(seed)
    out = mix_styles(x, 1.0, 0.5)
    (mean, deviation), (mixed_mean, mixed_deviation) = statistics(x), statistics(out)
    for own in range(len(x)):
        found = 0
        for other in range(len(x)):
            if other == own:
                continue
            ratio = (mixed_mean[own] - mean[other]) / (mean[own] - mean[other])
            if torch.allclose(ratio, ratio[:1], rtol=0, atol=1e-3):
                blended = ratio * deviation[own] + (1 - ratio) * deviation[other]
                torch.testing.assert_close(mixed_deviation[own], blended, rtol=1e-3, atol=1e-3)
                assert -1e-3 <= ratio[0] <= 1 + 1e-3
                found += 1
        assert found >= 1 or torch.equal(out[own], x[own])  # it may be its own partner
    standard = [(one - one.mean((2, 3), keepdim=True)) / one.std((2, 3), keepdim=True) for one in (x, out)]
    torch.testing.assert_close(standard[0], standard[1], rtol=0, atol=1e-4)
    assert not torch.allclose(x, out, atol=0.01)


def test_ratios_follow_the_beta_distribution() -> None:
    torch.manual_seed(0)
    ratios = draw_ratios(torch.zeros(40_000, 1), 1.0, 0.1).flatten().double()
    variance = 1 / (4 * (2 * 0.1 + 1))
    assert ratios.mean().item() == pytest.approx(0.5, abs=5 * (variance / 40_000) ** 0.5)
    assert ratios.var().item() == pytest.approx(variance, rel=0.02)
    expected = torch.distributions.Beta(torch.tensor(0.3), torch.tensor(0.3)).sample((40_000,)).double()
    other = draw_ratios(torch.zeros(40_000, 1), 1.0, 0.3).flatten().double()
    quantiles = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    torch.testing.assert_close(other.quantile(quantiles), expected.quantile(quantiles), rtol=0, atol=0.02)


@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_a_batch_that_is_not_mixed_is_exactly_what_it_was(probability: float) -> None:
    torch.manual_seed(0)
    x = maps(8)
    kept = sum(torch.equal(mix_styles(x, probability, 0.1), x) for _ in range(400))
    assert kept / 400 == pytest.approx(1 - probability, abs=5 * (probability * (1 - probability) / 400) ** 0.5)


def test_statistics_have_no_gradients() -> None:
    """The slope is the ratio of the deviations alone."""
    x = maps().requires_grad_()
    torch.manual_seed(1)
    out = mix_styles(x, 1.0, 0.5)
    out.sum().backward()
    slope = statistics(out.detach())[1] / statistics(x.detach())[1]
    assert x.grad is not None
    torch.testing.assert_close(x.grad.double(), slope[..., None, None].expand_as(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_precision_and_layout_stay_and_flat_channels_do_no_harm(dtype: torch.dtype) -> None:
    x = maps()
    x[:, 0] = 0.0
    x[1, 1] = 3.0
    x = x.to(dtype, memory_format=torch.channels_last)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        out = mix_styles(x, 1.0, 0.1)
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert not out[:, 0].any()
    assert out.isfinite().all()
    assert out[1, 1].float().std() < 1e-2
    torch.manual_seed(0)
    torch.testing.assert_close(out.double(), mix_styles(x.float(), 1.0, 0.1).double(), rtol=1e-2, atol=1e-2)


def network(*parts: Any, **settings: Any) -> SmpNetwork:
    torch.manual_seed(0)
    return SmpNetwork(2, 3, parts=parts, **{**SMALL, **settings})


def images(number: int = 4) -> Tensor:
    return torch.rand(number, 3, 32, 48, generator=torch.Generator().manual_seed(0))


def changed(net: Any, x: Tensor) -> list[bool]:
    """Which maps of the encoder differ between two draws; normalisation stays as in evaluation."""
    for module in net.modules():
        module.training = not isinstance(module, torch.nn.BatchNorm2d)
    torch.manual_seed(1)
    one, other = net.encoder(x), net.encoder(x)
    return [not torch.equal(*pair) for pair in zip(one, other, strict=True)]


@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_a_mixed_map_goes_on_to_the_next_stage(stage: int) -> None:
    net = network(MixStyle([stage], probability=1.0))
    assert changed(net, images()) == [index >= stage for index in range(5)]
    assert changed(net, images(1)) == [False] * 5  # nobody to mix with
    net.eval()
    assert torch.equal(net(images()), network().eval()(images()))


@pytest.mark.parametrize(
    "encoder", ["mobilenet_v2", "tu-mobilenetv3_small_050", "tu-test_convnext", "efficientnet-b0", "densenet121"]
)
def test_stages_of_any_convolutional_encoder_are_found(encoder: str) -> None:
    net = SmpNetwork(2, 3, architecture="FPN", encoder=encoder, parts=[MixStyle([2, 3], probability=1.0)])
    found = changed(net, torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert found == [index >= 2 for index in range(6)]


def test_weights_keep_their_names_and_copies_mix_for_themselves(tmp_path: Path) -> None:
    net, plain = network(MixStyle(probability=1.0)), network()
    assert net.state_dict().keys() == plain.state_dict().keys()
    torch.save(plain.encoder.state_dict(), tmp_path / "weights.pt")
    net.load_pretrained(str(tmp_path / "weights.pt"))
    assert all(torch.equal(one, plain.encoder.state_dict()[name]) for name, one in net.encoder.state_dict().items())
    other = copy.deepcopy(net).eval()
    assert changed(net, images())[2]
    assert torch.equal(other.encoder(images())[2], other.encoder(images())[2])


@pytest.mark.parametrize("kind", [MiddleFusionNetwork, LateFusionNetwork])
def test_every_encoder_of_modalities_mixes(kind: Any) -> None:
    torch.manual_seed(0)
    net = kind(2, 3, parts=[MixStyle(probability=1.0), DropBlock(probability=0.2, size=1)], **SMALL)
    assert len(net.encoders) == 3
    for encoder in net.encoders:
        hooked = [module for module in encoder.modules() if module._forward_hooks]
        assert len(hooked) == 2
    assert net(images()).isfinite().all()


def test_a_frozen_encoder_stays_as_in_evaluation() -> None:
    net = network(MixStyle(probability=1.0), FrozenEncoder()).train()
    assert torch.equal(net.encoder(images())[3], net.encoder(images())[3])


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"stages": []}, r"stages of MixStyle are \[\]"),
        ({"stages": [0, 2]}, r"\[0, 2\]: give indices of feature maps from 1"),
        ({"probability": -0.1}, "probability of MixStyle is -0.1"),
        ({"alpha": 0.0}, "alpha of MixStyle is 0.0"),
    ],
)
def test_refused_settings(settings: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        MixStyle(**settings)


@pytest.mark.parametrize(
    ("encoder", "stage", "named"),
    [
        ("tu-test_resnet", 5, r"has no map 5: choose among its maps \[1, 2, 3, 4\]"),
        ("tu-test_convnext", 1, r"has no map 1: choose among its maps \[2, 3, 4\]"),
        ("mit_b0", 2, "no module of the encoder 'mit_b0' gives its map 2"),
    ],
)
def test_encoders_without_such_a_stage_are_refused(encoder: str, stage: int, named: str) -> None:
    with pytest.raises(UserError, match=named):
        network(MixStyle([stage]), encoder=encoder)


def test_a_training_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (
        "--model.init_args.network.init_args.parts+=lightning_modules.networks.parts.mix_style.MixStyle",
        "--model.init_args.network.init_args.parts.probability=1.0",
    )
    assert_resumes("synthetic_unet", tmp_path, monkeypatch, *words)
