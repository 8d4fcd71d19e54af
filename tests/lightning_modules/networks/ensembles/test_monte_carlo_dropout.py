"""Samples of dropout: repeatable, different from each other, and unbiased."""

from functools import partial

import pytest
import torch
from members import Linear, images, small

from lightning_modules.networks.ensembles.monte_carlo_dropout import (
    MonteCarloDropout,
    SampledDropout,
    draw_channel_mask,
)
from user_error import UserError

DROPPING = partial(small, dropout=0.4)


@pytest.fixture(scope="module")
def network() -> MonteCarloDropout:
    torch.manual_seed(0)
    return MonteCarloDropout(3, 3, DROPPING, samples=4).eval()


@torch.inference_mode()
def test_samples_differ_and_repeat(network: MonteCarloDropout) -> None:
    first, again = (torch.stack(list(network.compute_member_logits(images()))) for _ in range(2))
    assert torch.equal(first, again)
    assert all((first[0] - other).abs().max() > 1e-4 for other in first[1:])


@torch.inference_mode()
def test_an_image_is_answered_alike_in_any_batch(network: MonteCarloDropout) -> None:
    """So that a sweep may be resumed, or shared by processes."""
    image = images(3)
    torch.testing.assert_close(network(image)[1:2], network(image[1:2]), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_one_sample_by_hand() -> None:
    layer = SampledDropout(torch.nn.Dropout2d(0.5), 7).eval()
    layer.sample = 3
    x = torch.ones(2, 64, 3, 3)
    mask = draw_channel_mask(7, 3, 64, 0.5)
    torch.testing.assert_close(layer(x), mask.view(1, 64, 1, 1).expand_as(x))
    assert set(mask.tolist()) == {0.0, 2.0}
    tokens = torch.ones(2, 5, 64)
    torch.testing.assert_close(layer(tokens), mask.expand_as(tokens))


def test_masks_drop_at_the_rate_and_keep_the_mean() -> None:
    masks = torch.stack([draw_channel_mask(layer, sample, 100, 0.2) for layer in range(20) for sample in range(20)])
    assert (masks == 0).float().mean() == pytest.approx(0.2, abs=0.01)  # 40,000 draws: five standard deviations
    assert masks.mean() == pytest.approx(1, abs=0.0125)
    assert len({tuple(mask.tolist()) for mask in masks}) == len(masks)


def test_training_draws_as_ever() -> None:
    layer = SampledDropout(torch.nn.Dropout2d(0.5), 0).train()
    torch.manual_seed(0)
    x = torch.ones(4, 32, 2, 2)
    assert (layer(x) != layer(x)).any()


@torch.inference_mode()
def test_its_state_is_that_of_the_network() -> None:
    """A network that was trained as it is becomes one of samples."""
    alone, sampled = DROPPING(3, 3), MonteCarloDropout(3, 3, DROPPING)
    sampled.network.load_state_dict(alone.state_dict())


@torch.inference_mode()
def test_uncertainty_is_mostly_shared(network: MonteCarloDropout) -> None:
    found = network.compute_uncertainty(images())
    assert 0 < found.mutual_information.max() <= found.entropy.max()


def test_refusals() -> None:
    with pytest.raises(UserError, match="Linear has no dropout to sample from"):
        MonteCarloDropout(3, 3, Linear)
    with pytest.raises(UserError, match="SmpNetwork has no dropout"):
        MonteCarloDropout(3, 3, small)
    with pytest.raises(UserError, match="samples is 0"):
        MonteCarloDropout(3, 3, DROPPING, samples=0)
