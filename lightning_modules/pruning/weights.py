"""Unstructured pruning: single weights are set to zero, which does not reduce the computation."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from user_error import UserError

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)


def require_ratio(ratio: float) -> None:
    """Refuse a ratio outside (0, 1).

    Raises:
        UserError: it is not between 0 and 1.
    """
    if not 0 < ratio < 1:
        raise UserError(f"the ratio {ratio} is not between 0 and 1: it is the share to remove, such as 0.5")


def get_prunable_weights(network: nn.Module) -> dict[str, nn.Parameter]:
    """The kernels and matrices of a network by name, which may be pruned, unlike biases and normalisation."""
    found = {f"{name}.weight": layer.weight for name, layer in network.named_modules() if isinstance(layer, LAYERS)}
    return {name: weight for name, weight in found.items() if isinstance(weight, nn.Parameter)}


def compute_sparsity(weights: Iterable[Tensor]) -> float:
    """Ratio of the elements that are zero."""
    counted = [(int((weight == 0).sum()), weight.numel()) for weight in weights]
    return sum(zeros for zeros, _ in counted) / max(1, sum(total for _, total in counted))


def find_empty_layers(weights: Mapping[str, Tensor]) -> list[str]:
    """Layers without any nonzero weight, which block all information and cannot be trained again."""
    return [name.removesuffix(".weight") for name, weight in weights.items() if not weight.any()]


def rank_by_magnitude(weight: Tensor) -> Tensor:
    """Global magnitude pruning (Han et al., NeurIPS 2015): weights of all layers are ranked alike.

    A layer of small weights may vanish, even if a normalisation after it makes their scale irrelevant.
    """
    return weight.abs()


def rank_by_lamp(weight: Tensor) -> Tensor:
    """Layer-adaptive magnitude (LAMP; Lee et al., "Layer-adaptive Sparsity for the Magnitude-based Pruning", ICLR 2021).

    The square of a weight divided by the sum of the squares of all weights of its layer that are not smaller: the largest
    weight of each layer has the score 1, so that no layer vanishes.
    """
    squares, order = weight.reshape(-1).double().square().sort()
    no_smaller = squares.flip(0).cumsum(0).flip(0)
    ranks = torch.where(no_smaller > 0, squares / no_smaller, 0)
    return torch.empty_like(ranks).scatter_(0, order, ranks).view(weight.shape)


RANKINGS: dict[str, Callable[[Tensor], Tensor]] = {"magnitude": rank_by_magnitude, "lamp": rank_by_lamp}
"""Scores by which weights are ranked over all layers; the lowest are pruned first."""


@torch.no_grad()
def mask_smallest(weights: Mapping[str, Tensor], ratio: float, ranking: str = "magnitude") -> dict[str, Tensor]:
    """Masks (bool, True where a weight is retained) that prune the fraction `ratio` of lowest scores over all layers.

    Ranked as by `torch.nn.utils.prune`. Zeros are pruned first, so that masks of growing ratios are nested.

    Raises:
        UserError: a ratio outside (0, 1).
    """
    require_ratio(ratio)
    vector = torch.cat([RANKINGS[ranking](weight).reshape(-1) for weight in weights.values()])
    mask = prune.L1Unstructured(ratio).compute_mask(vector, torch.ones_like(vector)).bool()
    pieces = mask.split([weight.numel() for weight in weights.values()])
    return {name: piece.view(weight.shape) for (name, weight), piece in zip(weights.items(), pieces, strict=True)}


@torch.no_grad()
def mask_two_of_four(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Masks that retain the two largest of every four weights along the inputs, as sparse tensor cores require.

    Mishra et al., "Accelerating Sparse Deep Neural Networks", 2021. Layers whose number of inputs is no multiple of four
    stay dense, and have no mask.

    Args:
        weights: of layers whose inputs lie along the second axis; see `select_inputs_second`.
    """
    return {name: _mask_two_of_four(weight) for name, weight in weights.items() if weight.shape[1] % 4 == 0}


def select_inputs_second(network: nn.Module) -> dict[str, nn.Parameter]:
    """Those of `get_prunable_weights` whose inputs lie along the second axis: transposed convolutions have outputs there."""
    transposed = {f"{name}.weight" for name, layer in network.named_modules() if isinstance(layer, nn.ConvTranspose2d)}
    return {name: weight for name, weight in get_prunable_weights(network).items() if name not in transposed}


def _mask_two_of_four(weight: Tensor) -> Tensor:
    inputs_last = weight.movedim(1, -1)
    fours = inputs_last.reshape(-1, 4)
    largest = fours.abs().topk(2, 1).indices
    mask = torch.zeros_like(fours, dtype=torch.bool).scatter_(1, largest, True)
    return mask.view(inputs_last.shape).movedim(-1, 1)


@torch.no_grad()
def apply_masks(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    """Set pruned weights to zero, in place."""
    for name, mask in masks.items():
        weights[name].mul_(mask)
