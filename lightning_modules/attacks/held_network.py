"""A network as an attack needs it: what it has learnt stays as it is."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def hold_network(network: nn.Module, training: bool = False) -> Iterator[None]:
    """Let passes within the block leave no trace in a network.

    Its parameters need no gradients within the block, so that a gradient to the image takes one third less than a step of
    training. In evaluation mode nothing else changes; in training mode batch normalisation uses the statistics of the batch
    that it is shown, and all buffers, among them its running statistics, are afterwards what they were. Recurrent layers
    stay in training mode, without their dropout, since cuDNN differentiates them in no other.

    Args:
        network: whose parts may be in different modes, which they have again at the end.
        training: whether the block sees it as it is, in the mode of the training, instead of in evaluation mode.
    """
    modes = [(part, part.training) for part in network.modules()]
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    kept = [(part, *named) for part in network.modules() for named in part.named_buffers(recurse=False) if training]
    recurrent = [part for part in network.modules() if isinstance(part, nn.RNNBase)]
    rates = [part.dropout for part in recurrent]
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        for part, name, buffer in kept:  # another tensor in its place: an earlier pass may still need this one
            setattr(part, name, buffer.clone())
        if not training:
            network.eval()
        for part in recurrent:
            part.dropout = part.dropout if training and part.training else 0.0
            part.training = True
        yield
    finally:
        for part, rate in zip(recurrent, rates, strict=True):
            part.dropout = rate
        for part, mode in modes:
            part.training = mode
        for parameter in trained:
            parameter.requires_grad_(True)
        for part, name, buffer in kept:
            setattr(part, name, buffer)
