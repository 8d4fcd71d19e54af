"""1 x 1 convolutions with a stride: what they say and learn is theirs, and oneDNN's fault is out of reach."""

import copy

import pytest
import torch
from torch import nn

from lightning_modules.networks.strided import subsample_first


@pytest.mark.parametrize("stride", [2, (2, 3), (1, 4)])
@pytest.mark.parametrize("groups", [1, 3])
def test_pixels_are_chosen_first_and_nothing_else_changes(stride: int | tuple[int, int], groups: int) -> None:
    torch.manual_seed(0)
    complete = nn.Sequential(nn.Conv2d(3, 6, 1, stride, groups=groups), nn.Conv2d(6, 2, 3, 2)).double()
    chosen = copy.deepcopy(complete)
    subsample_first(chosen)
    subsample_first(chosen)  # a network that goes through twice
    assert chosen[0].stride == (1, 1)
    assert chosen[1].stride == (2, 2)
    answers = []
    for network in (complete, copy.deepcopy(chosen)):
        image = torch.rand(2, 3, 33, 47, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        answer = network(image.requires_grad_())
        answer.square().sum().backward()
        answers.append([answer, image.grad, *(one.grad for one in network.parameters())])
    for left, right in zip(*answers, strict=True):
        torch.testing.assert_close(left, right)
    assert complete.state_dict().keys() == chosen.state_dict().keys()


@pytest.mark.parametrize("retained", [nn.Conv2d(16, 3, 1, 2), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1, 2, padding=1)])
def test_other_convolutions_stay(retained: nn.Conv2d) -> None:
    before = retained.stride
    subsample_first(retained)
    assert retained.stride == before
