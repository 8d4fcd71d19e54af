"""When a program counts as that of its network."""

import pytest
import torch

from experiments.exporting.exported_module import Shape
from experiments.exporting.onnx_file import open_graph, trace_graph
from experiments.exporting.program import TOLERANCE, compare, find_difference
from user_error import UserError


def test_large_logits_may_differ_by_their_rounding() -> None:
    for size, allowed in ((1.0, 1e-3), (50.0, 1e-3), (1e6, 10.0)):
        network = torch.nn.Conv2d(3, 2, 1, bias=False).requires_grad_(False)
        torch.nn.init.constant_(network.weight, size)
        image = torch.full((1, 3, 4, 4), 1 / 3)
        found = open_graph(trace_graph(network, image))(image)
        torch.nn.init.constant_(network.weight, size + 2 * allowed)
        assert find_difference(found, network(image)) > TOLERANCE
        torch.nn.init.constant_(network.weight, size + allowed / 2)
        assert find_difference(found, network(image)) < TOLERANCE


def test_a_difference_at_one_size_alone_is_found() -> None:
    network = torch.nn.Identity()
    shapes = [Shape(1, 8, 8), Shape(2, 9, 5)]
    assert compare(lambda images: images, network, 3, shapes).difference == 0
    with pytest.raises(UserError, match=r"logits of 2 of 9 x 5 differ by 0\.01"):
        compare(lambda images: images + 0.01 * (images.shape[2] == 9), network, 3, shapes)
    with pytest.raises(UserError, match="differ by inf"):
        compare(lambda images: images[..., :8], network, 3, [Shape(1, 8, 9)])
    with pytest.raises(UserError, match="differ by nan"):
        compare(lambda images: images * float("nan"), network, 3, shapes)
