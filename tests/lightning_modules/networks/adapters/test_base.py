"""What other libraries give becomes logits, or is refused with what was met."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.networks.adapters.base import Adapter, choose_output, replace_first_convolution
from user_error import UserError

ONE, TWO = torch.zeros(1), torch.ones(1)


@pytest.mark.parametrize(
    ("given", "key", "found"),
    [
        (ONE, None, ONE),
        ({"a": TWO, "b": ONE}, None, TWO),
        ({"a": ONE, "b": TWO}, "b", TWO),
        ((TWO, ONE), None, TWO),
        ([ONE, TWO], 1, TWO),
        ((ONE, ONE, TWO), -1, TWO),
        ([ONE, TWO], "1", TWO),
        ((ONE, ONE, TWO), "-1", TWO),
        ({"1": ONE, 1: TWO}, "1", ONE),
    ],
)
def test_the_logits_are_found(given: Any, key: str | int | None, found: torch.Tensor) -> None:
    assert choose_output(given, key) is found


@pytest.mark.parametrize(
    ("given", "key", "message"),
    [
        (ONE, "out", "gives a Tensor"),
        ({"a": ONE}, "b", "dict .'a'. with no logits as 'b'"),
        ((ONE,), 1, "tuple"),
        ({}, None, "no tensors"),
        ({"a": 3}, "a", "no tensors"),
        (3, None, "int"),
    ],
)
def test_no_logits_are_refused(given: Any, key: str | int | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose_output(given, key)


@torch.inference_mode()
def test_logits_are_enlarged_and_cropped() -> None:
    """By hand: padded to a stride of four, halved by the model, enlarged, cropped."""
    torch.manual_seed(0)
    model = nn.Conv2d(3, 5, 2, stride=2)
    network = Adapter(5, 3, model, stride=4, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    image = torch.rand(2, 3, 9, 14)
    padded = F.pad(image, (0, 2, 0, 3), mode="replicate")
    expected = F.interpolate(model(padded), scale_factor=2, mode="bilinear")[..., :9, :14]
    torch.testing.assert_close(network(image), expected)


def test_other_classes_are_refused() -> None:
    with pytest.raises(UserError, match=r"\(1, 4, 8, 8\) where logits \(B, 5, h, w\)"):
        Adapter(5, 3, nn.Conv2d(3, 4, 1))(torch.zeros(1, 3, 8, 8))
    with pytest.raises(UserError, match=r"\(1, 5\) where"):
        Adapter(5, 3, nn.Sequential(nn.Conv2d(3, 5, 8), nn.Flatten()))(torch.zeros(1, 3, 8, 8))
    with pytest.raises(UserError, match="stride of a network is 0"):
        Adapter(5, 3, nn.Conv2d(3, 5, 1), stride=0)


@pytest.mark.parametrize("bias", [False, True])
def test_the_first_convolution_takes_other_channels(bias: bool) -> None:
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1, bias=bias)), nn.Conv2d(4, 5, 1))
    first, second = model[0][0], model[1]
    replace_first_convolution(model, 3)
    assert model[0][0] is first
    replace_first_convolution(model, 7)
    assert model[0][0].weight.shape == (4, 7, 3, 3)
    assert (model[0][0].bias is not None) == bias
    assert model[1] is second
    assert model(torch.zeros(1, 7, 8, 8)).shape == (1, 5, 4, 4)
