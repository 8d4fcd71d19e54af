"""Zeros against numpy's order and torch's own pruning."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from lightning_modules.pruning.weights import (
    RANKINGS,
    apply_masks,
    compute_sparsity,
    find_empty_layers,
    get_prunable_weights,
    mask_smallest,
    mask_two_of_four,
    rank_by_lamp,
    select_inputs_second,
)
from user_error import UserError


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 12, 3), nn.ConvTranspose2d(12, 4, 2), nn.Linear(4, 6)
    )


@settings(deadline=None, max_examples=20)
@given(st.floats(0.01, 0.99))
def test_global_magnitude_is_torchs(ratio: float) -> None:
    actual, expected = network(), network()
    weights = get_prunable_weights(actual)
    apply_masks(weights, mask_smallest(weights, ratio))
    layers = [(layer, "weight") for layer in expected if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    prune.global_unstructured(layers, prune.L1Unstructured, amount=ratio)
    for name, weight in weights.items():
        torch.testing.assert_close(weight.data, expected[int(name.split(".")[0])].weight.data, rtol=0, atol=0)
    assert compute_sparsity(weights.values()) == pytest.approx(
        ratio, abs=0.5 / sum(one.numel() for one in weights.values())
    )


def test_what_goes_is_smaller_than_what_stays() -> None:
    weights = get_prunable_weights(network())
    masks = mask_smallest(weights, 0.6)
    values = np.concatenate([weight.detach().abs().numpy().ravel() for weight in weights.values()])
    retained = np.concatenate([mask.numpy().ravel() for mask in masks.values()])
    assert values[~retained].max() <= values[retained].min()


@pytest.mark.parametrize("ranking", RANKINGS)
def test_masks_of_growing_ratios_are_nested(ranking: str) -> None:
    """Also where the zeros were set in between."""
    weights = get_prunable_weights(network())
    before = mask_smallest(weights, 0.3, ranking)
    apply_masks(weights, before)
    after = mask_smallest(weights, 0.7, ranking)
    assert all((before[name] | ~after[name]).all() for name in weights)


def test_lamp_is_the_square_beside_those_no_smaller() -> None:
    """By its definition, one weight at a time; zeros have no rank."""
    weight = get_prunable_weights(network())["2.weight"].detach()[:2].clone()
    weight[0, 0] = 0
    squares = weight.double().square().flatten()
    wanted = torch.stack([one / squares[squares >= one].sum() for one in squares])
    torch.testing.assert_close(rank_by_lamp(weight).flatten(), wanted)
    assert rank_by_lamp(weight).max() == 1
    assert not rank_by_lamp(torch.zeros(3, 2)).any()


def test_lamp_leaves_some_of_every_layer_and_magnitude_may_not() -> None:
    found = {}
    for ranking in RANKINGS:
        pruned = network()
        weights = get_prunable_weights(pruned)
        weights["2.weight"].data.mul_(1e-3)
        apply_masks(weights, mask_smallest(weights, 0.8, ranking))
        assert compute_sparsity(weights.values()) == pytest.approx(0.8, abs=1e-3)
        found[ranking] = find_empty_layers(weights)
    assert found == {"magnitude": ["2"], "lamp": []}


def test_two_of_every_four_inputs() -> None:
    weights = get_prunable_weights(network())
    masks = mask_two_of_four(select_inputs_second(network()))
    # the first has three inputs, the transposed one its outputs along the second axis: both stay dense
    assert set(masks) == {"2.weight", "4.weight"}
    for name, mask in masks.items():
        size = weights[name].detach().abs().movedim(1, -1).reshape(-1, 4).numpy()
        retained = mask.movedim(1, -1).reshape(-1, 4).numpy()
        assert (retained.sum(1) == 2).all()
        wanted = np.sort(size, axis=1)[:, 2:].sum(1)
        np.testing.assert_allclose((size * retained).sum(1), wanted, rtol=1e-6)


def test_normalisation_and_biases_stay() -> None:
    assert set(get_prunable_weights(network())) == {"0.weight", "2.weight", "3.weight", "4.weight"}
    pruned = network()
    before = copy.deepcopy(pruned.state_dict())
    apply_masks(get_prunable_weights(pruned), mask_smallest(get_prunable_weights(pruned), 0.9))
    same = {name for name, value in pruned.state_dict().items() if torch.equal(value, before[name])}
    assert same == set(before) - set(get_prunable_weights(pruned))


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.5, 50.0, float("nan")])
def test_ratios(ratio: float) -> None:
    with pytest.raises(UserError, match="not between 0 and 1"):
        mask_smallest(get_prunable_weights(network()), ratio)
