"""What is left of passes within the block: nothing."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.attacks.held_network import hold_network


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.cell = nn.GRU(4, 4, num_layers=2, dropout=0.5, batch_first=True)
        self.frozen = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen(self.cell(self.norm(x.mT).mT)[0])


def network() -> Recurrent:
    torch.manual_seed(0)
    one = Recurrent().train()
    one.frozen.eval()
    return one


def state(one: nn.Module) -> Any:
    modes = [part.training for part in one.modules()]
    needs = [parameter.requires_grad for parameter in one.parameters()]
    return modes, needs, [part.dropout for part in one.modules() if isinstance(part, nn.RNNBase)]


@pytest.mark.parametrize("training", [False, True])
def test_nothing_is_left(training: bool) -> None:
    one = network()
    before, values = state(one), copy.deepcopy(one.state_dict())
    tensors = [id(buffer) for buffer in one.buffers()]
    x = torch.randn(3, 5, 4)
    with hold_network(one, training):
        assert not any(parameter.requires_grad for parameter in one.parameters())
        assert one.norm.training is training
        assert one.cell.training  # cuDNN differentiates it in no other mode
        assert not one.frozen.training
        given = x.clone().requires_grad_()
        first, second = one(given), one(x)
        assert torch.equal(first, second) is not training  # dropout
        (slope,) = torch.autograd.grad(first.sum(), given)
        assert slope.abs().sum() > 0
    assert state(one) == before
    assert all(torch.equal(value, values[name]) for name, value in one.state_dict().items())
    assert [id(buffer) for buffer in one.buffers()] == tensors
    assert all(parameter.grad is None for parameter in one.parameters())


def test_it_is_let_go_after_an_error() -> None:
    one = network()
    before = state(one)
    with pytest.raises(ValueError, match="within"), hold_network(one):
        raise ValueError("within")
    assert state(one) == before


def test_a_pass_before_it_can_still_be_differentiated() -> None:
    one = network()
    earlier = one(torch.randn(3, 5, 4)).sum()
    with hold_network(one, training=True):
        one(torch.randn(3, 5, 4))
    earlier.backward()
    assert all(parameter.grad is not None for parameter in one.parameters() if parameter.requires_grad)
