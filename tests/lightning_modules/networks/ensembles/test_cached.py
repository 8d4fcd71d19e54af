"""What is made of tensors is made again exactly where they have changed."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.networks.ensembles.cached import Cached


@torch.no_grad()
def test_made_once() -> None:
    retained, tensors = Cached(), [torch.zeros(2), torch.ones(3)]
    made = retained.get(tensors, object)
    assert retained.get(tensors, object) is made
    assert list(retained.state_dict()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, retained: tensors[1].add_(1),
        lambda tensors, retained: tensors.__setitem__(0, tensors[0].clone()),
        lambda tensors, retained: tensors.pop(),
        lambda tensors, retained: retained.train(),
        lambda tensors, retained: nn.Sequential(retained).eval(),
    ],
    ids=["written to", "moved", "fewer", "trained", "evaluated again"],
)
@torch.no_grad()
def test_made_anew(change: Callable[[list[Tensor], Cached], object]) -> None:
    retained, tensors = Cached(), [torch.zeros(2), torch.ones(3)]
    made = retained.get(tensors, object)
    change(tensors, retained)
    assert retained.get(tensors, object) is not made


def test_copies_start_empty() -> None:
    retained, tensors = Cached().eval(), [torch.zeros(2)]
    made = retained.get(tensors, object)
    other = copy.deepcopy(retained)
    assert not other.training
    assert other.get(tensors, object) is not made
    assert retained.get(tensors, object) is made


def test_tensors_of_inference_mode_have_no_versions() -> None:
    with torch.inference_mode():
        retained, tensors = Cached(), [torch.zeros(2)]
        made = retained.get(tensors, object)
        assert retained.get(tensors, object) is made
