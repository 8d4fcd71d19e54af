"""Rank-one members against networks whose weights are multiplied out."""

import copy

import pytest
import torch
from members import images
from torch import nn

from lightning_modules.networks.ensembles.batch_ensemble import BatchEnsemble
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

SETTINGS = {"architecture": "Unet", "encoder": "mobilenet_v2"}


@pytest.fixture(scope="module")
def network() -> BatchEnsemble:
    torch.manual_seed(0)
    return BatchEnsemble(3, 3, size=3, spread=0.3, average="logits", **SETTINGS).eval()


def multiplied_out(network: BatchEnsemble, member: int) -> SmpNetwork:
    """A plain network with the weights of one member: a row and a column factor on each kernel, and one on the bias."""
    plain = SmpNetwork(3, 3, **SETTINGS)
    state = {name: value for name, value in network.state_dict().items() if "factors_of" not in name}
    plain.load_state_dict(state)
    for actual, expected in zip(network.model.modules(), plain.model.modules(), strict=True):
        if not isinstance(expected, nn.Conv2d):
            continue
        inputs, outputs = actual.factors_of_inputs[member].flatten(), actual.factors_of_outputs[member].flatten()
        per_group = expected.in_channels // expected.groups
        for out in range(expected.out_channels):
            group = out // (expected.out_channels // expected.groups)
            seen = inputs[group * per_group : (group + 1) * per_group]
            expected.weight.data[out] *= outputs[out] * seen.view(-1, 1, 1)
        if expected.bias is not None:
            expected.bias.data *= outputs
    return plain.eval()


@torch.inference_mode()
def test_members_are_networks_of_multiplied_weights(network: BatchEnsemble) -> None:
    image = images()
    for member, message in enumerate(network.compute_member_logits(image)):
        torch.testing.assert_close(message, multiplied_out(network, member)(image), rtol=1e-3, atol=1e-4)


def test_small_batches_reach_every_member() -> None:
    torch.manual_seed(0)
    network = BatchEnsemble(3, 3, size=4, **SETTINGS)
    learned = torch.zeros(4)
    for _ in range(12):
        network.zero_grad()
        network(images()[:2]).square().mean().backward()
        moved = network.model.segmentation_head[0].factors_of_inputs.grad.abs().sum((1, 2, 3)) > 0
        assert moved.sum() == 2
        learned += moved
    assert (learned >= 2).all()


def test_factors_do_not_decay() -> None:
    """They should be about 1."""
    module = SegmentationModule(lambda *_: BatchEnsemble(3, 3, **SETTINGS), 3)
    decaying, spared = ({id(one) for one in group["params"]} for group in module.make_parameter_groups())
    for name, parameter in module.named_parameters():
        assert (id(parameter) in decaying) == (parameter.ndim > 1 and "factors_of" not in name)
    assert len(decaying) + len(spared) == len(list(module.parameters()))


def test_gradients_and_graphs_lead_to_the_factors(network: BatchEnsemble) -> None:
    """Where they are asked for, the factors are multiplied into maps and not into kernels: the same answer."""
    image = images()
    with torch.no_grad():
        wanted = network(image)
    message = network(image)
    torch.testing.assert_close(message, wanted, rtol=1e-3, atol=1e-4)
    message.sum().backward()
    assert all(one.grad is not None for name, one in network.named_parameters() if "factors_of" in name)


@torch.no_grad()
def test_members_follow_their_weights(network: BatchEnsemble) -> None:
    """What is kept for evaluation is made anew after a step, a loaded state, or a swap that leaves no trace in eval."""
    image, own = images(), copy.deepcopy(network)
    before = own(image)
    own.layers[0].weight.add_(0.1)
    assert not torch.equal(own(image), before)
    own.load_state_dict(network.state_dict())
    assert torch.equal(own(image), before)
    own.layers[0].weight.data.add_(0.1)
    assert not torch.equal(own.train().eval()(image), before)
    assert torch.equal(network(image), before)


def test_training_deals_the_images_out(network: BatchEnsemble) -> None:
    """Five images to three members, in turns from any of them; normalisation still in evaluation, to compare with."""
    dealt = copy.deepcopy(network)
    dealt.training = True
    image = images(5)
    begun = set()
    with torch.no_grad():
        alone = torch.stack(list(network.compute_member_logits(image)))
        for _ in range(6):
            (message,) = dealt.compute_member_logits(image)
            first = int((alone[:, 0] - message[0]).abs().amax((1, 2, 3)).argmin())
            wanted = torch.stack([alone[(first + place) % 3, place] for place in range(5)])
            torch.testing.assert_close(message, wanted, rtol=1e-3, atol=1e-4)
            begun.add(first)
    assert len(begun) > 1


def test_copies_do_not_share_whose_turn_it_is(network: BatchEnsemble) -> None:
    other = copy.deepcopy(network)
    assert other.active is not network.active
    assert all(
        layer.active is other.active for layer in other.modules() if hasattr(layer, "active") and layer is not other
    )


def test_it_hardly_holds_more_than_one_network() -> None:
    one = sum(parameter.numel() for parameter in SmpNetwork(3, 3, **SETTINGS).parameters())
    four = sum(parameter.numel() for parameter in BatchEnsemble(3, 3, size=4, **SETTINGS).parameters())
    assert one < four < 1.05 * one


def test_refusals() -> None:
    with pytest.raises(UserError, match="size is 0"):
        BatchEnsemble(3, 3, size=0, **SETTINGS)
