"""FCN: its parts against the paper's own words."""

import pytest
import torch
from torch.nn import functional as F

from lightning_modules.networks.fcn import FcnNetwork
from user_error import UserError


def network(**settings: object) -> FcnNetwork:
    torch.manual_seed(0)
    return FcnNetwork(5, 3, encoder="resnet18", hidden=16, **settings).eval()  # type: ignore[arg-type]


def image() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def test_skips_are_added_on_the_way_up() -> None:
    """FCN-8s by hand, its skips no longer zero."""
    net = network(skips=2)
    for score in net.skip_scores:
        torch.nn.init.normal_(score.weight)
    features = net.encoder(net.normalise(image()))
    expected = net.score(net.fully_connected(features[5]))
    expected = F.interpolate(expected, scale_factor=2, mode="bilinear") + net.skip_scores[0](features[4])
    expected = F.interpolate(expected, scale_factor=2, mode="bilinear") + net.skip_scores[1](features[3])
    expected = F.interpolate(expected, scale_factor=8, mode="bilinear")
    torch.testing.assert_close(net(image()), expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_new_skips_change_nothing() -> None:
    """Zero to begin with; enlarging in steps and at once differ, so the coarsest map is constant here."""
    with_skips, without = network(skips=2), network(skips=0)
    without.load_state_dict({key: value for key, value in with_skips.state_dict().items() if "skip" not in key})
    flat = torch.full((1, 3, 64, 64), 128, dtype=torch.uint8)
    deepest = with_skips.encoder(with_skips.normalise(flat))[-1]
    constant = torch.ones_like(deepest) * deepest.mean((2, 3), keepdim=True)
    for net in (with_skips, without):
        net.encoder.layer4.register_forward_hook(lambda *_: constant)
    torch.testing.assert_close(with_skips(flat), without(flat))


@torch.inference_mode()
def test_the_classification_head_is_fully_connected() -> None:
    """The 1 x 1 convolutions on the pooled vector are linear layers."""
    net = network()
    pooled = net.encoder(net.normalise(image()))[-1].mean((2, 3))
    first, second = net.fully_connected[0], net.fully_connected[3]
    hidden = F.linear(pooled, first.weight.flatten(1), first.bias).relu()
    hidden = F.linear(hidden, second.weight.flatten(1), second.bias).relu()
    expected = F.linear(hidden, net.score.weight.flatten(1), net.score.bias)
    assert expected.shape == (2, 5)
    torch.testing.assert_close(net.classify(image()), expected, rtol=1e-4, atol=1e-5)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(UserError, match="give 0"):
        network(skips=3)
    with pytest.raises(UserError, match="did you mean 'resnet18'"):
        FcnNetwork(5, 3, encoder="resnet81")
    with pytest.raises(UserError, match="hidden"):
        FcnNetwork(5, 3, hidden=0)
