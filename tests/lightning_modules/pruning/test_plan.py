"""Plans: through JSON and back to the same network, and nothing else is followed."""

import json
from typing import Any

import pytest
import torch
from torch import nn

from lightning_modules.pruning.plan import follow_plan, make_plan
from user_error import UserError


def network(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.Conv2d(width, width, 3, padding=1, groups=width),
        nn.GroupNorm(2, width),
        nn.ReLU(),
        nn.Conv2d(width, 5, 1),
        nn.LayerNorm((5, 4, width)),
    )


def through_json(plan: Any) -> Any:
    return json.loads(json.dumps(plan))


def test_a_plan_rebuilds_what_it_was_made_of() -> None:
    torch.manual_seed(0)
    complete, small, again = network(8), network(4), network(8)
    plan = through_json(make_plan(complete, small))
    follow_plan(again, plan)
    again.load_state_dict(small.state_dict())
    image = torch.rand(2, 3, 4, 4)
    wanted, found = small[:6].eval()(image), again[:6].eval()(image)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    assert again[6].normalized_shape == (5, 4, 4)
    assert str(again) == str(small)


def test_a_plan_names_what_changed_alone() -> None:
    assert make_plan(network(8), network(8)) == {}
    plan = make_plan(network(8), network(4))
    assert set(plan) == {"0", "1", "2", "3", "5", "6"}
    assert plan["5"] == {"in_channels": 4, "weight": [5, 4, 1, 1]}


def test_what_does_not_learn_does_not_learn_then() -> None:
    complete = network(8)
    complete[0].requires_grad_(False)
    follow_plan(complete, make_plan(network(8), network(4)))
    assert not complete[0].weight.requires_grad
    assert complete[2].weight.requires_grad


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"9": {"weight": [1]}}, "names '9', which Sequential has not"),
        ({"0": {"weight": [9, 3, 3, 3]}}, "wants 0.weight to be"),  # it may not grow
        ({"0": {"weight": [0, 3, 3, 3]}}, "wants 0.weight to be"),
        ({"0": {"weight": [4, 3, 3]}}, "wants 0.weight to be"),
        ({"0": {"out_channels": "4"}}, "wants 0.out_channels to be 4"),
        ({"0": {"out_channels": True}}, "wants 0.out_channels to be True"),
        ({"0": {"forward": 1}}, "wants 0.forward to be 1"),  # nor may what is no number be replaced
        ({"0": {"training": 0}}, "wants 0.training to be 0"),
        ({"0": {"padding_mode": "x"}}, "wants 0.padding_mode to be x"),
    ],
)
def test_plans_that_do_not_fit(plan: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        follow_plan(network(8), plan)
