from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.networks.parts.recurrent import (
    ConvGru,
    ConvGruCell,
    ConvGruRefinement,
    FourDirections,
    ReSeg,
)
from lightning_modules.networks.smp import ARCHITECTURES, Part, SmpNetwork
from user_error import UserError

SMALL = "tu-mobilenetv3_small_050"
TINY: dict[str, Any] = {"encoder": SMALL, "decoder": {"decoder_channels": [32, 24, 16, 16, 8]}}
SHALLOW: dict[str, Any] = {"encoder_depth": 3, "decoder": {"decoder_channels": [32, 24, 16]}}
PARTS = (ReSeg, ConvGru)


def features(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def one_way(both: nn.RNNBase, backward: bool) -> nn.RNNBase:
    """One direction of a bidirectional layer, as a layer of torch."""
    layer = type(both)(both.input_size, both.hidden_size)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            parameter.copy_(getattr(both, name + "_reverse" * backward))
    return layer


def read(both: nn.RNNBase, sequence: Tensor) -> Tensor:
    """A sequence (L, C) to the states (L, 2 hidden) of both directions."""
    ahead = one_way(both, False)(sequence)[0]
    back = one_way(both, True)(sequence.flip(0))[0].flip(0)
    return torch.cat([ahead, back], dim=1)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("size", [(3, 5), (1, 4), (4, 1), (1, 1)])
@torch.inference_mode()
def test_four_directions_are_read_one_line_at_a_time(cell: str, size: tuple[int, int]) -> None:
    sweep = FourDirections(4, 3, cell)
    x = features(2, 4, *size)
    for image, result in zip(x, sweep(x), strict=True):
        columns = [read(sweep.columns, image[:, :, column].T) for column in range(size[1])]
        swept = torch.stack(columns, dim=1)  # (H, W, 2 hidden)
        rows = [read(sweep.rows, swept[row]) for row in range(size[0])]
        torch.testing.assert_close(result, torch.stack(rows).permute(2, 0, 1))


def test_every_place_has_seen_the_whole_map() -> None:
    x = features(1, 4, 5, 3).requires_grad_()
    FourDirections(4, 3)(x)[0, :, 1, 2].sum().backward()
    assert x.grad.abs().sum(1).count_nonzero() == 15


@pytest.mark.parametrize("shape", [(1, 40, 2, 1), (1, 40, 2, 2), (2, 40, 2, 3)])
@torch.no_grad()
def test_frozen_weights_and_memory_format_change_no_bit(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    sweep, x = FourDirections(40, 100), features(*shape)
    expected = sweep(x)
    torch.testing.assert_close(sweep(x.to(memory_format=torch.channels_last)), expected, rtol=0, atol=0)
    torch.testing.assert_close(sweep.requires_grad_(False)(x), expected, rtol=0, atol=0)


def neighbours(conv: nn.Conv2d, x: Tensor, row: int, column: int) -> Tensor:
    """What a 3 x 3 convolution gives at one place of (C, H, W)."""
    total = conv.bias.clone()
    for below in (-1, 0, 1):
        for beside in (-1, 0, 1):
            r, c = row + below, column + beside
            if 0 <= r < x.shape[1] and 0 <= c < x.shape[2]:
                total += conv.weight[:, :, below + 1, beside + 1] @ x[:, r, c]
    return total


@torch.inference_mode()
def test_conv_gru_cell_follows_its_equations_at_every_place() -> None:
    cell, x, state = ConvGruCell(3, 2), features(1, 3, 3, 4)[0], features(1, 2, 3, 4)[0].tanh()
    places = [(row, column) for row in range(3) for column in range(4)]
    update, reset, expected = torch.empty_like(state), torch.empty_like(state), torch.empty_like(state)
    for place in places:
        gates = torch.sigmoid(neighbours(cell.gates, torch.cat([x, state]), *place))
        update[:, *place], reset[:, *place] = gates[:2], gates[2:]
    for place in places:
        candidate = torch.tanh(neighbours(cell.candidate, torch.cat([x, reset * state]), *place))
        expected[:, *place] = (1 - update[:, *place]) * state[:, *place] + update[:, *place] * candidate
    torch.testing.assert_close(cell(x[None], state[None])[0], expected)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_each_step_widens_the_view(steps: int) -> None:
    torch.manual_seed(0)
    refinement = ConvGruRefinement(3, 4, steps)
    nn.init.normal_(refinement.correct.weight)
    x = features(1, 3, 15, 15).requires_grad_()
    refinement(x)[0, :, 7, 7].sum().backward()
    seen = x.grad[0].abs().sum(0).nonzero()
    reach = 2 * steps - 1  # the state is zero at the first step, so its reset gate sees nothing
    assert (seen.min(0).values.tolist(), seen.max(0).values.tolist()) == ([7 - reach] * 2, [7 + reach] * 2)


@torch.inference_mode()
def test_conv_gru_starts_as_the_plain_network() -> None:
    network, plain = SmpNetwork(2, parts=[ConvGru()], **TINY).eval(), SmpNetwork(2, **TINY).eval()
    refine, head = network.model.segmentation_head
    plain.encoder.load_state_dict(network.encoder.state_dict())
    plain.model.decoder.load_state_dict(network.model.decoder.state_dict())
    plain.model.segmentation_head.load_state_dict(head.state_dict())
    expected = plain(images(1, 3, 33, 47))
    torch.testing.assert_close(network(images(1, 3, 33, 47)), expected, rtol=0, atol=0)
    nn.init.normal_(refine.correct.weight)
    assert not torch.allclose(network(images(1, 3, 33, 47)), expected)


def test_two_conv_grus_stand_one_before_the_other() -> None:
    network = SmpNetwork(2, parts=[ConvGru(hidden=4), ConvGru(hidden=6)], **TINY)
    network(images(1, 3, 33, 47)).square().mean().backward()
    states = [one.hidden for one in network.model.segmentation_head.modules() if isinstance(one, ConvGruRefinement)]
    assert states == [6, 4]


@torch.inference_mode()
def test_the_states_take_the_place_of_the_bottleneck_alone() -> None:
    refine = SmpNetwork(2, architecture="FPN", encoder=SMALL, parts=[ReSeg()]).model.encoder.refine
    maps = [features(1, channels, 4, 4) for channels in (3, 16, 8, 16, 24, 288)]
    refined = refine(maps)
    assert [one is other for one, other in zip(maps, refined, strict=True)] == [True] * 5 + [False]
    sweep, project = refine.stages["5"]
    torch.testing.assert_close(refined[5], project(sweep(maps[5])))


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "DPT"])
def test_conv_gru_stands_before_the_head_of_any_architecture(architecture: str) -> None:
    network = SmpNetwork(2, architecture=architecture, encoder=SMALL, parts=[ConvGru(hidden=4)])
    logits = network(images(2, 3, 128, 128))
    assert logits.shape == (2, 2, 128, 128)
    logits.square().mean().backward()
    refine, _ = network.model.segmentation_head
    assert all(parameter.grad is not None for parameter in refine.parameters())


@pytest.mark.parametrize(("cell", "dropout"), [("lstm", 0.0), ("gru", 0.1)])
def test_gradients_reach_every_parameter(cell: Any, dropout: float) -> None:
    network = SmpNetwork(2, parts=[ReSeg(cell, hidden=5)], dropout=dropout, **TINY)
    network(images(2, 3, 64, 64)).square().mean().backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]


@pytest.mark.parametrize("part", PARTS)
@torch.no_grad()
def test_compiles(part: type[Part]) -> None:
    built = SmpNetwork(2, parts=[part()], **SHALLOW).eval()
    compiled = torch.compile(built, backend="eager", fullgraph=part is not ReSeg)
    torch.testing.assert_close(compiled(images(2, 3, 64, 64)), built(images(2, 3, 64, 64)))


@pytest.mark.parametrize("part", PARTS)
@torch.no_grad()
def test_runs_in_half_precision(part: type[Part]) -> None:
    built = SmpNetwork(2, parts=[part()], **TINY).eval()
    full = built(images(2, 3, 64, 64))
    with torch.autocast("cpu", torch.bfloat16):
        half = built(images(2, 3, 64, 64))
    assert nn.functional.cosine_similarity(full.flatten(), half.float().flatten(), dim=0) > 0.99


@pytest.mark.parametrize("part", PARTS)
def test_pretrained_weights_reach_the_encoder(part: type[Part], tmp_path: Path) -> None:
    torch.manual_seed(1)
    weights = SmpNetwork(2, encoder="mobilenet_v2", decoder=TINY["decoder"]).encoder.state_dict()
    torch.save(weights, tmp_path / "weights.pt")
    built = SmpNetwork(2, parts=[part()], encoder="mobilenet_v2", decoder=TINY["decoder"])
    built.load_pretrained(str(tmp_path / "weights.pt"))
    torch.testing.assert_close(built.encoder.state_dict(), weights, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("part", "settings", "named"),
    [
        (ReSeg, {"cell": "rnn"}, "'rnn': choose gru or lstm"),
        (ReSeg, {"hidden": 0}, "hidden is 0"),
        (ConvGru, {"hidden": -1}, "hidden is -1"),
        (ConvGru, {"steps": 0}, "steps is 0"),
    ],
)
def test_wrong_settings_are_named(part: type[Part], settings: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        part(**settings)
