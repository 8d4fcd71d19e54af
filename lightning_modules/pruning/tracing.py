"""A wrapper by which the operations of a network are traced, to find dependent channels."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.pruning.weights import LAYERS

SEALED = ("PABBlock",)
"""Parts of smp that cannot be traced: MAnet's attention multiplies maps that were reshaped to matrices."""


def find_sealed_parts(network: nn.Module) -> list[nn.Module]:
    """The outermost parts that cannot be pruned, nor their inputs and outputs; modules state why in ``unprunable``."""
    if type(network).__name__ in SEALED or isinstance(getattr(network, "unprunable", None), str):
        return [network]
    return [part for child in network.children() for part in find_sealed_parts(child)]


class Traced(nn.Module):
    """A network with additional fixed layers for tensors that no layer of the trace produces.

    These are the image, which may be concatenated to feature maps, and the outputs of sealed parts.

    Args:
        network: in evaluation mode.
        image: a batch (1, C, H, W), float.
    """

    def __init__(self, network: nn.Module, image: Tensor) -> None:
        super().__init__()
        self.network = network
        self.image = _make_identity(image)
        self.parts = find_sealed_parts(network)
        self.behind = nn.ModuleList(_make_identity(output) for output in _record_outputs(network, self.parts, image))

    @property
    def fixed(self) -> list[nn.Module]:
        """The additional layers."""
        return [self.image, *self.behind]

    def compute_outputs(self, image: Tensor) -> list[Tensor]:
        """The tensors from which the trace starts: the output, the inputs of sealed parts, and every map of one channel.

        Such a map gates all channels of another one at each place, but does not depend on their number; the trace would
        mistake it for as many channels where it is multiplied with them. If it is computed from one or two maps, these are
        means or maxima over channels, which do not depend on the number of channels either.
        """
        ends: list[Tensor] = []

        def hide(layer: Any, _: Any, output: Tensor) -> Tensor:
            if _count_channels(layer)[1] > 2:
                ends.append(output)
            return output.detach()

        def enter(_: nn.Module, given: Any) -> None:
            ends.extend(one for one in given if isinstance(one, Tensor))

        with ExitStack() as stack:
            for layer in self.network.modules():
                if isinstance(layer, LAYERS) and _count_channels(layer)[0] == 1:
                    stack.callback(layer.register_forward_hook(hide).remove)
            for part, layer in zip(self.parts, self.behind, strict=True):

                def leave(_: nn.Module, __: Any, output: Tensor, layer: nn.Module = layer) -> Tensor:
                    return layer(output.detach())

                stack.callback(part.register_forward_pre_hook(enter).remove)
                stack.callback(part.register_forward_hook(leave).remove)
            return [self.network(self.image(image)), *ends]


def _count_channels(layer: Any) -> tuple[int, int]:
    """Numbers of output and input channels of a layer without groups."""
    first, second = layer.weight.shape[:2]
    return (second, first) if isinstance(layer, nn.ConvTranspose2d) else (first, second)


def _make_identity(like: Tensor) -> nn.Conv2d:
    """A layer with as many input and output channels as `like`; its values do not matter."""
    return nn.Conv2d(like.shape[1], like.shape[1], 1).to(like.device)


def _record_outputs(network: nn.Module, parts: Sequence[nn.Module], image: Tensor) -> list[Tensor]:
    """The output of each part."""
    found: dict[nn.Module, Tensor] = {}

    def note(part: nn.Module, _: Any, output: Tensor) -> None:
        found[part] = output

    with ExitStack() as stack, torch.no_grad():
        for part in parts:
            stack.callback(part.register_forward_hook(note).remove)
        network(image)
    return [found[part] for part in parts]


def find_last_layers(traced: Traced, image: Tensor) -> list[nn.Module]:
    """The layers whose outputs reach the network's output without passing another layer, such as classifiers."""
    made: dict[Any, nn.Module] = {}

    def note(layer: nn.Module, _: Any, output: Tensor) -> None:
        made[output.grad_fn] = layer

    with ExitStack() as stack, torch.enable_grad():
        for layer in traced.network.modules():
            if isinstance(layer, LAYERS):
                stack.callback(layer.register_forward_hook(note).remove)
        answers = traced.compute_outputs(image)
    found: dict[nn.Module, None] = {}
    waiting, seen = [answer.grad_fn for answer in answers], set()
    while waiting:
        node: Any = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node in made:
            found[made[node]] = None
        else:
            waiting.extend(before for before, _ in node.next_functions)
    return list(found)


@contextmanager
def silence_warnings() -> Iterator[None]:
    """Silence torch-pruning's warnings of parameters outside layers; `channels.Removed.unpruned` has the relevant names."""
    before = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
