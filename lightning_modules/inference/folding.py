"""Batch normalisation folded into the convolutions before it."""

import copy
from collections import Counter
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

AGREES = 1e-3
"""Largest deviation of the folded network's logits, relative to the largest logit: rounding stays far below it."""


class _Pair(NamedTuple):
    """Names of a linear map and of the batch normalisation that alone takes what it gives."""

    linear: str
    norm: str


@torch.no_grad()
def fold_batch_norms(network: nn.Module, image: Tensor) -> nn.Module:
    """A copy of a network in evaluation mode, with each batch normalisation folded into the convolution before it.

    In evaluation batch normalisation is affine, so convolution and normalisation are one convolution with other weights
    (Markus, "Fusing batch normalization and convolution in runtime", 2018). Which convolution feeds which normalisation is
    observed in a pass over `image`, not guessed from their order; what the network does with these layers beside it, such
    as reading a weight, would show in the logits, which are compared.

    Args:
        network: in evaluation mode.
        image: uint8, or float in [0, 1], (B, C, H, W), that the network takes.

    Returns:
        The copy, or `network` itself where nothing can be folded or the copy would give other logits.
    """
    pairs = _find_pairs(network, image)
    if not pairs:
        return network
    folded = copy.deepcopy(network)
    for pair in pairs:
        _fold(folded, pair)
    wanted, found = network(image), folded(image)
    agrees = (found - wanted).abs().max() <= AGREES * wanted.abs().max().clamp(min=1.0)
    return folded if agrees else network


def _find_pairs(network: nn.Module, image: Tensor) -> list[_Pair]:
    """Convolutions and normalisations that are called once each, the second with the very output of the first."""
    calls: Counter[str] = Counter()
    given: dict[int, tuple[str, Tensor]] = {}  # by identity; the tensors are kept, so that no identity is used again
    pairs: list[_Pair] = []

    def note_output(name: str, module: nn.Module, inputs: Any, output: Tensor) -> None:
        calls[name] += 1
        given[id(output)] = (name, output)

    def note_input(name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        calls[name] += 1
        if inputs and id(inputs[0]) in given:
            pairs.append(_Pair(given[id(inputs[0])][0], name))

    hooks = []
    for name, module in network.named_modules():
        if _is_plain(module):
            hooks.append(module.register_forward_hook(partial(note_output, name)))
        elif _is_foldable_norm(module):
            hooks.append(module.register_forward_pre_hook(partial(note_input, name)))
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    uses = Counter(pair.linear for pair in pairs)
    return [one for one in pairs if calls[one.linear] == calls[one.norm] == uses[one.linear] == 1]


def _is_plain(module: nn.Module) -> bool:
    """Whether a module is a convolution or fully connected layer whose class, being torch's own, does nothing else."""
    return type(module) in (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


def _is_foldable_norm(module: nn.Module) -> bool:
    """Whether a module normalises by running statistics; timm's classes also apply an activation, which is kept."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_var is not None


def _fold(network: nn.Module, pair: _Pair) -> None:
    linear, norm = network.get_submodule(pair.linear), network.get_submodule(pair.norm)
    fuse: Any = fuse_linear_bn_eval if isinstance(linear, nn.Linear) else fuse_conv_bn_eval
    _replace(network, pair.linear, fuse(linear, norm))
    after = [part for part in (getattr(norm, "drop", None), getattr(norm, "act", None)) if isinstance(part, nn.Module)]
    _replace(network, pair.norm, nn.Sequential(*after) if after else nn.Identity())


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    owner, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(owner), attribute, module)
