import pytest
import torch
from torch import Tensor

from lightning_modules.networks.parts.attention_gates import AttentionGate, AttentionGates, GatedBlock
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

SMALL = "tu-mobilenetv3_small_050"


def features(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def gates(network: SmpNetwork) -> list[tuple[int, int]]:
    """Channels of skip connection and gating feature, coarsest first."""
    gated = [block.gate for block in network.model.decoder.blocks if isinstance(block, GatedBlock)]
    return [(gate.skip.in_channels, gate.gating.in_channels) for gate in gated]


@torch.inference_mode()
def test_weights_are_additive_attention_on_the_coarse_grid() -> None:
    gate = AttentionGate(6, 4)
    x, g = features(1, 6, 6, 10), features(1, 4, 3, 5)
    expected = torch.empty(3, 5)
    for row in range(3):
        for column in range(5):
            mean = x[0, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].mean((1, 2))  # bilinear at half size
            hidden = gate.skip.weight[:, :, 0, 0] @ mean + gate.gating.weight[:, :, 0, 0] @ g[0, :, row, column]
            hidden = (hidden + gate.gating.bias).clamp(min=0)
            expected[row, column] = torch.sigmoid(gate.psi.weight.flatten() @ hidden + gate.psi.bias)
    weights = gate.compute_weights(x, g)
    torch.testing.assert_close(weights[0, 0, 0, 0], expected[0, 0])  # corners are not mixed with neighbours
    torch.testing.assert_close(weights[0, 0, -1, -1], expected[-1, -1])
    mixed = (expected[0, 1] * 9 + expected[0, 0] * 3 + expected[1, 1] * 3 + expected[1, 0]) / 16
    torch.testing.assert_close(weights[0, 0, 1, 2], mixed)
    torch.testing.assert_close(gate(x, g), x * weights)


@torch.inference_mode()
def test_a_closed_gate_hides_its_skip_connection() -> None:
    network = SmpNetwork(2, parts=[AttentionGates()], encoder=SMALL).eval()
    block = next(block for block in network.model.decoder.blocks if isinstance(block, GatedBlock))
    block.gate.psi.bias.fill_(-1e4)
    g = features(1, block.gate.gating.in_channels, 2, 2)
    skips = [features(1, block.gate.skip.in_channels, 4, 4) * scale for scale in (1, 5)]
    torch.testing.assert_close(*(block(g, 4, 4, skip_connection=skip) for skip in skips), rtol=0, atol=0)
    block.gate.psi.bias.fill_(1e4)
    plain, gated = block.block(g, 4, 4, skip_connection=skips[0]), block(g, 4, 4, skip_connection=skips[0])
    torch.testing.assert_close(gated, plain, rtol=0, atol=0)


def test_every_skip_connection_is_gated_by_the_coarser_decoder_feature() -> None:
    assert gates(SmpNetwork(2, encoder="resnet18", parts=[AttentionGates()])) == [
        (256, 512),
        (128, 256),
        (64, 128),
        (64, 64),
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"encoder": "mit_b0"},  # its first stage is empty
        {"encoder": SMALL, "encoder_depth": 3, "decoder": {"decoder_channels": [32, 24, 16]}},
        {"encoder": SMALL, "decoder": {"decoder_attention_type": "scse"}, "dropout": 0.1},
    ],
)
def test_gradients_reach_every_gate(settings: dict) -> None:
    network = SmpNetwork(2, parts=[AttentionGates()], **settings)
    assert len(gates(network)) == sum(channels > 0 for channels in network.encoder.out_channels[1:-1])
    for seed in range(3):  # what dropout hides gets its gradient another time
        torch.manual_seed(seed)
        network(images(2, 3, 64, 64)).square().mean().backward()
    assert not [name for name, parameter in network.model.decoder.named_parameters() if parameter.grad is None]


@torch.no_grad()
def test_compiles_in_one_graph() -> None:
    network = SmpNetwork(
        2, parts=[AttentionGates()], encoder_depth=3, decoder={"decoder_channels": [32, 24, 16]}
    ).eval()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(images(2, 3, 64, 64)), network(images(2, 3, 64, 64)))


def test_another_architecture_is_refused() -> None:
    with pytest.raises(UserError, match="'FPN': set architecture to Unet"):
        SmpNetwork(2, parts=[AttentionGates()], architecture="FPN")
