"""The classes of the data, made of a network's own."""

import pytest
import torch
from torch import nn

from lightning_modules.networks.wrappers.mapped_classes import MappedClasses
from user_error import UserError

IMAGE = torch.rand(2, 5, 4, 6, generator=torch.Generator().manual_seed(0))


def make(sources: list[list[int]]) -> MappedClasses:
    """A network whose logits are its image."""
    return MappedClasses(len(sources), 5, lambda classes, channels: nn.Identity(), 5, sources)


def test_probabilities_add_up() -> None:
    own = (4 * IMAGE).softmax(1)
    found = make([[3], [0, 4], [2, 1]])(4 * IMAGE).softmax(1)
    torch.testing.assert_close(found, torch.stack([own[:, 3], own[:, 0] + own[:, 4], own[:, 2] + own[:, 1]], 1))


def test_what_is_left_out_shares_its_probability() -> None:
    own = IMAGE.softmax(1)[:, [2, 0]]
    torch.testing.assert_close(make([[2], [0]])(IMAGE).softmax(1), own / own.sum(1, keepdim=True))


def test_an_unknown_class_is_never_answered() -> None:
    found = make([[0, 1], [], [2]])(1000 * (IMAGE - 0.5))
    assert torch.isfinite(found).all()
    assert not (found.argmax(1) == 1).any()
    assert float(found.softmax(1)[:, 1].max()) < 1e-30


@pytest.mark.parametrize("sources", [[[0], [0]], [[5], [1]], [[-1], [1]], [[], []]])
def test_refusals(sources: list[list[int]]) -> None:
    with pytest.raises(UserError, match="give indices"):
        make(sources)
    with pytest.raises(UserError, match="give one for each"):
        MappedClasses(3, 5, lambda classes, channels: nn.Identity(), 5, [[0], [1]])
