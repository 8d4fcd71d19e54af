"""What is made of tensors is made again exactly where they have changed."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.networks.ensembles.cached import Cached


@torch.no_grad()
def test_made_once() -> None:
    kept, tensors = Cached(), [torch.zeros(2), torch.ones(3)]
    made = kept.get(tensors, object)
    assert kept.get(tensors, object) is made
    assert list(kept.state_dict()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, kept: tensors[1].add_(1),
        lambda tensors, kept: tensors.__setitem__(0, tensors[0].clone()),
        lambda tensors, kept: tensors.pop(),
        lambda tensors, kept: kept.train(),
        lambda tensors, kept: nn.Sequential(kept).eval(),
    ],
    ids=["written to", "moved", "fewer", "trained", "evaluated again"],
)
@torch.no_grad()
def test_made_anew(change: Callable[[list[Tensor], Cached], object]) -> None:
    kept, tensors = Cached(), [torch.zeros(2), torch.ones(3)]
    made = kept.get(tensors, object)
    change(tensors, kept)
    assert kept.get(tensors, object) is not made


def test_copies_start_empty() -> None:
    kept, tensors = Cached().eval(), [torch.zeros(2)]
    made = kept.get(tensors, object)
    other = copy.deepcopy(kept)
    assert not other.training
    assert other.get(tensors, object) is not made
    assert kept.get(tensors, object) is made


def test_tensors_of_inference_mode_have_no_versions() -> None:
    with torch.inference_mode():
        kept, tensors = Cached(), [torch.zeros(2)]
        made = kept.get(tensors, object)
        assert kept.get(tensors, object) is made
