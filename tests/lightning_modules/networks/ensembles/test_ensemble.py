"""Members one after the other and as one batch; what their training sees."""

import copy
import pickle

import pytest
import torch
from members import Linear, images, small
from torch import nn

from lightning_modules.networks.ensembles.ensemble import Ensemble
from user_error import UserError


@pytest.fixture(scope="module")
def three() -> Ensemble:
    torch.manual_seed(0)
    return Ensemble(4, 3, [small] * 3).eval()


def test_copies_are_networks_of_their_own() -> None:
    one, two = Ensemble(4, 3, [small, Linear], copies=2).members[::2]
    assert [name for name, _ in one.named_parameters()] == [name for name, _ in two.named_parameters()]
    assert any((a != b).any() for a, b in zip(one.parameters(), two.parameters(), strict=True))
    with pytest.raises(UserError, match="copies is 0"):
        Ensemble(4, 3, [small], copies=0)


def in_one_batch(ensemble: Ensemble) -> Ensemble:
    ensemble = copy.deepcopy(ensemble)
    ensemble.batched = True
    return ensemble


@torch.inference_mode()
def test_it_is_the_mean_of_its_members(three: Ensemble) -> None:
    image = images()
    wanted = torch.stack([member(image).softmax(1) for member in three.members]).mean(0)
    torch.testing.assert_close(three(image).softmax(1), wanted)
    assert (three.members[0](image) != three.members[1](image)).any()


@pytest.mark.parametrize("size", [(64, 64), (33, 47)])
@torch.inference_mode()
def test_a_batch_of_members_says_the_same(three: Ensemble, size: tuple[int, int]) -> None:
    """Up to the rounding of another kernel, also in another memory format."""
    image, stacked = images(size=size), in_one_batch(three)
    torch.testing.assert_close(stacked(image), three(image), rtol=1e-4, atol=1e-4)
    stacked.to(memory_format=torch.channels_last)
    torch.testing.assert_close(stacked(image), three(image), rtol=1e-4, atol=1e-4)


def test_the_batch_follows_the_weights(three: Ensemble) -> None:
    image, stacked = images(), in_one_batch(three)
    with torch.no_grad():
        before = stacked(image)
        for parameter in stacked.members[1].parameters():
            parameter.mul_(1.1)  # as an optimiser does, in place
        stacked.batched = False
        alone = stacked(image)
        stacked.batched = True
        torch.testing.assert_close(stacked(image), alone, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(before, alone, atol=1e-2)
        stacked.load_state_dict(three.state_dict())
        torch.testing.assert_close(stacked(image), before, rtol=1e-4, atol=1e-4)


def test_the_batch_is_no_part_of_the_state(three: Ensemble) -> None:
    stacked = in_one_batch(three)
    with torch.no_grad():
        stacked(images())
    assert stacked.state_dict().keys() == three.state_dict().keys()
    assert len(pickle.dumps(stacked)) < 1.01 * len(pickle.dumps(three))
    copy.deepcopy(stacked)


def test_members_train_side_by_side() -> None:
    """Under `batched` too: statistics of batch normalisation are each member's own."""
    torch.manual_seed(0)
    ensemble = Ensemble(4, 3, [small] * 2, batched=True).train()
    before = [member.state_dict()["model.encoder.features.0.1.running_mean"].clone() for member in ensemble.members]
    sum(one.square().mean() for one in ensemble.compute_member_logits(images())).backward()
    after = [member.state_dict()["model.encoder.features.0.1.running_mean"] for member in ensemble.members]
    assert all((one != two).any() for one, two in zip(before, after, strict=True))
    assert all(parameter.grad is not None for parameter in ensemble.parameters())


def test_uncertainty_of_members_that_agree(three: Ensemble) -> None:
    twins = Ensemble(4, 3, [lambda *_: three.members[0]] * 2).eval()
    with torch.inference_mode():
        found = twins.compute_uncertainty(images())
    assert found.entropy.shape == (2, 64, 64)
    assert found.mutual_information.max() < 1e-5
    assert not found.disagreement.any()


def test_an_ensemble_of_ensembles() -> None:
    complete = Ensemble(2, 3, [lambda *_: Ensemble(2, 3, [Linear] * 2), Linear]).eval()
    assert complete(images()).shape == (2, 2, 64, 64)


def test_refusals() -> None:
    with pytest.raises(UserError, match="needs members"):
        Ensemble(2, 3, [])
    with pytest.raises(UserError, match="average is 'max'"):
        Ensemble(2, 3, [Linear], average="max")
    with pytest.raises(UserError, match="member 1 of the ensemble has another architecture"):
        Ensemble(2, 3, [Linear, small], batched=True)


class Counting(Linear):
    """What no batch of members can do: look at a value."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        message = super().forward(image)
        return message if message.sum().item() else message + 1


def test_what_cannot_be_batched_says_so() -> None:
    ensemble: nn.Module = Ensemble(2, 3, [Counting] * 2, batched=True).eval()
    with pytest.raises(UserError, match=r"Counting cannot run as one batch .* leave 'batched' out"):
        ensemble(images())
