"""One contract for every network YAML: channels can be removed from it, and a plan rebuilds what is left."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import PATHS, make
from torch import nn

from lightning_modules.multiply_adds import count_multiply_adds
from lightning_modules.networks.wrappers.pruned import PrunedNetwork
from lightning_modules.pruning.channels import remove_channels
from lightning_modules.pruning.plan import make_plan
from user_error import UserError

IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))

EXACT = [
    "unet",
    "unetplusplus",
    "linknet",
    "attention_unet",
    "unet_scse",
    "fusion_middle",
    "unet_multi_head",
]
"""Networks in which what is zero stays zero, so that channels of zeros can be taken out without a trace."""


REFUSED = {
    "unet_batch_ensemble": "a factor for every channel",
    "unet_multi_task": "further tasks",
    "unet_multi_task_depth": "further tasks",
}
"""Networks that say why they cannot be pruned."""


def cost(network: nn.Module) -> int:
    return count_multiply_adds(partial(network, IMAGE))


@pytest.mark.parametrize("path", [path for path in PATHS if path.stem not in REFUSED], ids=lambda path: path.stem)
def test_a_quarter_of_the_multiply_adds(path: Path) -> None:
    network = make(path, 5, 3).eval()
    removed = remove_channels(network, IMAGE, 0.25, cost)
    assert cost(removed.network) <= 0.75 * cost(network)
    plan: Any = json.loads(json.dumps(make_plan(network, removed.network)))
    again = PrunedNetwork(5, 3, partial(make, path), plan).eval()
    again.network.load_state_dict(removed.network.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(again(IMAGE), removed.network(IMAGE), rtol=0, atol=0)
        assert torch.isfinite(again(torch.rand(2, 3, 33, 47))).all()


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_pruned_says_why(name: str) -> None:
    network = make(next(path for path in PATHS if path.stem == name), 5, 3).eval()
    with pytest.raises(UserError, match=f"cannot be pruned: .*{REFUSED[name]}"):
        remove_channels(network, IMAGE, 0.25, cost)


@pytest.mark.parametrize("name", EXACT)
def test_dead_channels_leave_without_a_trace(name: str) -> None:
    """Every fourth channel of each normalisation is zero, more than need to go: what takes their places gets what was theirs."""
    network = make(next(path for path in PATHS if path.stem == name), 5, 3).eval()
    random = torch.Generator().manual_seed(0)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.running_mean, norm.bias.data):
                assert tensor is not None
                tensor.normal_(std=0.1, generator=random)
            norm.weight.data.uniform_(0.5, 1.5, generator=random)
            norm.weight.data[3::4] = 0
            norm.bias.data[3::4] = 0
    removed = remove_channels(network, IMAGE, 0.2, cost, "bn_scale", multiple=1)
    with torch.inference_mode():
        torch.testing.assert_close(removed.network(IMAGE), network(IMAGE), rtol=1e-3, atol=1e-4)
