"""Networks compiled for the shapes that they meet."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.networks.base import SegmentationNetwork
from user_error import UserError, shorten

MOST_SHAPES = 8
"""Input shapes that a network is compiled for."""


def compile_network(network: nn.Module) -> nn.Module:
    """A copy of a network whose innermost segmentation networks are compiled by TorchInductor when they are first called.

    Weights are constants of the compiled code, batch normalisation is folded into them, and the normalisation of the image
    is one pass over its levels (Ansel et al., "PyTorch 2", ASPLOS 2024). What wraps these networks, such as the mean over
    members, remains Python. Each input shape is compiled by itself, which takes seconds to a minute; images of further
    shapes than `MOST_SHAPES` go through uncompiled.

    Args:
        network: in evaluation mode; its copy is for inference alone.

    Raises:
        UserError: when it is first called, if there is no C++ compiler or the network cannot be compiled.
    """
    compiled = copy.deepcopy(network).requires_grad_(False)
    for leaf in _find_leaves(compiled):
        leaf.forward = _compile(leaf.forward)
        if leaf.tasks:
            leaf.compute_outputs = _compile(leaf.compute_outputs)
    return compiled


def _find_leaves(network: nn.Module) -> list[Any]:
    """The outermost segmentation networks in a network: those that take images and normalise them."""
    if isinstance(network, SegmentationNetwork):
        return [network]
    return [leaf for child in network.children() for leaf in _find_leaves(child)]


def _compile(function: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    compiled = torch.compile(function, dynamic=False, options={"freezing": True})
    shapes: set[torch.Size] = set()

    def call(image: Tensor) -> Any:
        if image.shape not in shapes and len(shapes) == MOST_SHAPES:
            return function(image)
        shapes.add(image.shape)
        try:
            with torch.inference_mode(False), torch.no_grad():  # weights become constants only without gradients
                seen = image.contiguous()  # each memory layout would be compiled by itself
                return compiled(seen.clone() if seen.is_inference() else seen)
        except torch._dynamo.exc.TorchDynamoException as error:
            raise UserError(
                f"the network cannot be compiled ({shorten(error)}): install a C++ compiler such as g++ if there is none, or "
                "pass --passes folded"
            ) from error

    return call
