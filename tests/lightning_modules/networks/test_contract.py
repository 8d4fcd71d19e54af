"""One contract for every network YAML."""

from pathlib import Path
from typing import Any

import pytest
import torch
from networks import PATHS, make
from torch import nn


@pytest.fixture(params=PATHS, ids=lambda path: path.stem, scope="module")
def network(request: Any) -> nn.Module:
    return make(request.param, 5, 3)


def images(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (65, 40)])
@torch.inference_mode()
def test_logits_have_the_size_of_the_input(network: nn.Module, size: tuple[int, int]) -> None:
    logits = network.eval()(images(2, 3, *size))
    assert logits.shape == (2, 5, *size)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@torch.inference_mode()
def test_bytes_and_floats_mean_the_same(network: nn.Module) -> None:
    image = images(2, 3, 64, 64)
    torch.testing.assert_close(network.eval()(image), network(image.float() / 255))


@torch.inference_mode()
def test_evaluation_is_deterministic(network: nn.Module) -> None:
    image = images(2, 3, 64, 64)
    network.eval()
    torch.testing.assert_close(network(image), network(image), rtol=0, atol=0)


def test_gradients_reach_every_parameter(network: nn.Module) -> None:
    network.train().zero_grad()
    for seed in range(3):  # a branch that is dropped at random gets its gradient another time
        torch.manual_seed(seed)
        message = (
            network.compute_outputs(images(4, 3, 64, 64))
            if hasattr(network, "compute_outputs")
            else network(images(4, 3, 64, 64))
        )
        parts = message.values() if isinstance(message, dict) else [message]  # a network of several tasks says more
        sum(part.square().mean() for part in parts).backward()
        trained = {name: one for name, one in network.named_parameters() if one.requires_grad}
        if trained and not (missing := [name for name, one in trained.items() if one.grad is None]):
            break
    assert not missing
    network.zero_grad()


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
@torch.inference_mode()
def test_any_number_of_channels(path: Path, channels: int) -> None:
    assert make(path, 2, channels).eval()(images(1, channels, 64, 64)).shape == (1, 2, 64, 64)


@torch.inference_mode()
def test_state_round_trip(network: nn.Module, tmp_path: Path, request: Any) -> None:
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    again = make(request.node.callspec.params["network"], 5, 3)
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.zero_()
    again.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    image = images(1, 3, 64, 64)
    torch.testing.assert_close(network.eval()(image), again.eval()(image), rtol=0, atol=0)
