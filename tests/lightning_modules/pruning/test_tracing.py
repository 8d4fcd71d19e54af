"""What the trace is given to see: the image, gates and sealed parts as ends and beginnings of their own."""

import torch
from torch import Tensor, nn

from lightning_modules.pruning.channels import remove_channels
from lightning_modules.pruning.tracing import Traced, find_last_layers, find_sealed_parts

IMAGE = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Sealed(nn.Module):
    """A part that does not want to be looked into."""

    unprunable = "for a test"

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(16, 24, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).flatten(2).view(len(x), 24, *x.shape[-2:])


class Network(nn.Module):
    """Two layers, a gate of one channel, a sealed part, and two layers more."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3, padding=1)
        self.second = nn.Conv2d(32, 16, 3, padding=1)
        self.gate = nn.Conv2d(32, 1, 1)
        self.part = Sealed()
        self.third = nn.Conv2d(24, 32, 3, padding=1)
        self.last = nn.Conv2d(32, 5, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.first(image).relu()
        x = self.second(x * self.gate(x).sigmoid())
        return self.last(self.third(self.part(x)).relu())


def test_ends() -> None:
    """The classes, what goes into the sealed part, and the gate."""
    network = Network().eval()
    traced = Traced(network, IMAGE)
    assert find_sealed_parts(network) == [network.part]
    answers = traced.compute_outputs(IMAGE)
    assert [tuple(answer.shape[1:2]) for answer in answers] == [(5,), (1,), (16,)]
    assert set(find_last_layers(traced, IMAGE)) == {network.last, network.gate, network.second}
    assert len(traced.fixed) == 2


def test_nothing_of_the_trace_stays_behind() -> None:
    network = Network().eval()
    before = network(IMAGE)
    traced = Traced(network, IMAGE)
    traced.compute_outputs(IMAGE)
    find_last_layers(traced, IMAGE)
    assert torch.equal(network(IMAGE), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_a_sealed_part_keeps_what_goes_in_and_out() -> None:
    def cost(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    torch.manual_seed(0)
    removed = remove_channels(Network().eval(), IMAGE, 0.4, cost, multiple=1)
    smaller = removed.network
    assert removed.unpruned == ["part"]
    assert (smaller.second.out_channels, smaller.part.inner.out_channels, smaller.third.in_channels) == (16, 24, 24)
    assert smaller.first.out_channels == smaller.second.in_channels == smaller.gate.in_channels < 32
    assert smaller.third.out_channels < 32
    assert smaller(IMAGE).shape == (1, 5, 16, 16)
