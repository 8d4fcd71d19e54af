"""Removed channels against channels set to zero, and the networks that nothing can be removed from."""

import copy
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.multiply_adds import count_multiply_adds
from lightning_modules.networks.ensembles.ensemble import Ensemble
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.pruning.channels import CRITERIA, remove_channels
from lightning_modules.pruning.tracing import Traced, find_last_layers
from user_error import UserError

IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def cost(network: nn.Module) -> int:
    return count_multiply_adds(partial(network, IMAGE))


def make(architecture: str = "Unet", **settings: object) -> SmpNetwork:
    torch.manual_seed(0)
    return SmpNetwork(5, 3, architecture=architecture, encoder="resnet18", **settings).eval()


class Chain(nn.Module):
    """Two layers between which channels can go, a residual connection, and a concatenation with the image."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.second = nn.Conv2d(16, 16, 3, padding=1)
        self.last = nn.Conv2d(19, 5, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.norm(self.first(image)).relu()
        x = (x + self.second(x)).relu()
        return self.last(torch.cat([image, x], 1))


def kept_channels(before: Tensor, after: Tensor) -> list[int]:
    """Which rows of a weight are still there."""
    return [place for place, row in enumerate(before) if any(torch.equal(row, other) for other in after)]


def test_removing_is_setting_to_zero() -> None:
    """Where a channel is zero on both sides of the residual connection, nothing changes when it goes."""
    torch.manual_seed(0)
    network = Chain().eval()
    network.norm.running_mean.normal_()
    smaller = remove_channels(network, IMAGE, 0.5, cost, multiple=1).network
    retained = kept_channels(network.first.bias.data[:, None], smaller.first.bias.data[:, None])
    assert 0 < len(retained) < 16
    gone = [channel for channel in range(16) if channel not in retained]
    masked = copy.deepcopy(network)
    masked.norm.weight.data[gone] = 0
    masked.norm.bias.data[gone] = 0
    masked.second.weight.data[gone] = 0
    masked.second.bias.data[gone] = 0
    with torch.no_grad():
        torch.testing.assert_close(smaller(IMAGE), masked(IMAGE))


def test_the_least_important_go() -> None:
    """Channels that were made tiny, in all that belongs to them."""
    torch.manual_seed(0)
    network = Chain().eval()
    tiny = [1, 4, 5, 9]
    for tensor in (
        network.first.weight,
        network.first.bias,
        network.norm.weight,
        network.second.weight,
        network.second.bias,
    ):
        tensor.data[tiny] *= 1e-3
    network.second.weight.data[:, tiny] *= 1e-3
    network.last.weight.data[:, [3 + one for one in tiny]] *= 1e-3
    before = copy.deepcopy(network)
    for ratio in (0.1, 0.25, 0.6):
        smaller = remove_channels(network, IMAGE, ratio, cost, multiple=1).network
        retained = set(kept_channels(before.first.bias.data[:, None], smaller.first.bias.data[:, None]))
        gone = set(range(16)) - retained
        assert gone
        assert gone <= set(tiny) or set(tiny) <= gone


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("ratio", [0.3, 0.7])
def test_the_cost_falls_as_asked(criterion: str, ratio: float) -> None:
    network = make(decoder={"decoder_channels": [64, 32, 32, 16, 16]})
    mask = torch.randint(0, 5, (1, 64, 64), generator=torch.Generator().manual_seed(0))

    def feed(one: nn.Module) -> None:
        nn.functional.cross_entropy(one(IMAGE), mask).backward()

    feed_it = feed if criterion == "taylor" else None
    before = copy.deepcopy(network.state_dict())
    removed = remove_channels(network, IMAGE, ratio, cost, criterion, feed=feed_it)
    fraction = cost(removed.network) / cost(network)
    assert 1 - ratio - 0.04 < fraction <= 1 - ratio  # multiples of eight channels are not finer
    assert not removed.unpruned
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(one.requires_grad and one.grad is None for one in removed.network.parameters())
    widths = {layer.out_channels for layer in removed.network.modules() if isinstance(layer, nn.Conv2d)}
    assert all(width % 8 == 0 for width in widths - {5})


def test_criteria_differ() -> None:
    network = make()
    for one in network.modules():
        if isinstance(one, nn.BatchNorm2d):
            one.weight.data.uniform_(0.1, 1)
    found = [
        remove_channels(network, IMAGE, 0.5, cost, criterion).network.model.encoder.conv1.weight
        for criterion in ("magnitude", "bn_scale")
    ]
    assert found[0].shape != found[1].shape or not torch.equal(*found)


def test_what_a_criterion_cannot_rank_is_said() -> None:
    with pytest.raises(
        UserError, match=r"lower it.*'bn_scale' ranks no channel that batch normalisation does not scale"
    ):
        remove_channels(make("FPN"), IMAGE, 0.99, cost, "bn_scale")


def test_last_layers() -> None:
    """Those that tell the classes, of each member."""
    network = make()
    assert find_last_layers(Traced(network, IMAGE), IMAGE) == [network.model.segmentation_head[0]]
    ensemble = Ensemble(5, 3, [lambda *_: make(), lambda *_: make("FPN")]).eval()
    heads = [member.model.segmentation_head[0] for member in ensemble.members]
    assert set(find_last_layers(Traced(ensemble, IMAGE), IMAGE)) == set(heads)


class Stubborn(Chain):
    """Has a constant for each of its channels, which no trace sees."""

    def forward(self, image: Tensor) -> Tensor:
        x = self.norm(self.first(image)).relu() * torch.ones(1, 16, 1, 1)
        return self.last(torch.cat([image, self.second(x)], 1))


class Around(nn.Module):
    """A part that can be pruned behind one that cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.stubborn = Stubborn()
        self.more = nn.Conv2d(5, 32, 3, padding=1)
        self.last = nn.Conv2d(32, 5, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.last(self.more(self.stubborn(image)).relu())


def test_what_cannot_be_pruned_stays_whole_and_is_named() -> None:
    torch.manual_seed(0)
    network = Around().eval()
    removed = remove_channels(network, IMAGE, 0.2, cost, multiple=1)
    assert any("stubborn" in name for name in removed.unpruned)
    assert removed.network.stubborn.first.out_channels == 16
    assert removed.network.more.out_channels < 32
    with torch.no_grad():
        assert removed.network(IMAGE).shape == (1, 5, 64, 64)


def test_refusals() -> None:
    network = Chain().eval()
    for ratio in (0.0, 1.0, 3.0):
        with pytest.raises(UserError, match="not between 0 and 1"):
            remove_channels(network, IMAGE, ratio, cost)
    with pytest.raises(UserError, match="no criterion 'random'"):
        remove_channels(network, IMAGE, 0.5, cost, "random")
    with pytest.raises(UserError, match=r"lower it; stubborn.* had to stay whole"):
        remove_channels(Around().eval(), IMAGE, 0.9, cost, multiple=1)


def test_what_is_to_be_kept_stays_whole() -> None:
    """A pretrained encoder, say: the rest then gives all that has to go."""
    network = make("FPN")
    removed = remove_channels(network, IMAGE, 0.3, cost, keep=["model.encoder"])
    assert removed.unpruned == ["model.encoder"]
    assert cost(removed.network) <= 0.7 * cost(network)
    before, after = (dict(one.named_parameters()) for one in (network, removed.network))
    encoder = {name for name in before if name.startswith("model.encoder.")}
    assert all(torch.equal(before[name], after[name]) for name in encoder)
    assert any(before[name].shape != after[name].shape for name in before.keys() - encoder)
    with pytest.raises(UserError, match=r"no part 'encoder' to keep: name one of model, model\.decoder"):
        remove_channels(network, IMAGE, 0.3, cost, keep=["encoder"])
