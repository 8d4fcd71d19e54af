"""Losses of each pixel that attacks raise; those of ignored pixels are 0."""

import math
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.labels import IGNORED, ignore_unlabelled

PixelLoss = Literal["cross_entropy", "masked_cross_entropy", "jensen_shannon"]
PIXEL_LOSSES: tuple[PixelLoss, ...] = get_args(PixelLoss)


def compute_cross_entropy(logits: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy (B, H, W) of each pixel.

    Args:
        logits: (B, K, H, W).
        mask: class ids (B, H, W); pixels of other values are ignored.
    """
    target = ignore_unlabelled(mask.long(), logits.shape[1])
    return F.cross_entropy(logits.float(), target, ignore_index=IGNORED, reduction="none")


def compute_masked_cross_entropy(logits: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy (B, H, W) of the pixels that are still right, 0 of the others.

    Croce et al., "Towards Reliable Evaluation and Fast Training of Robust Semantic Segmentation Models", ECCV 2024: pixels
    that are wrong already have the largest gradients of the cross-entropy, and nothing is to be gained from them.
    """
    return compute_cross_entropy(logits, mask) * find_right(logits, mask)


def compute_jensen_shannon(logits: Tensor, mask: Tensor) -> Tensor:
    """Jensen-Shannon divergence (B, H, W) of the predicted distribution and the label's, from 0 to log 2.

    Croce et al., ECCV 2024: bounded, so that its gradient fades where a pixel is far from its label. With the probability
    p of the label's class it is log 2 + (p log p - (1 + p) log(1 + p)) / 2.
    """
    entropy = compute_cross_entropy(logits, mask)  # -log p
    p = torch.exp(-entropy)
    divergence = math.log(2) - (p * entropy + (1 + p) * torch.log1p(p)) / 2
    return divergence * (ignore_unlabelled(mask, logits.shape[1]) != IGNORED)


def find_right(logits: Tensor, mask: Tensor) -> Tensor:
    """Whether the most likely class of each pixel is that of its label, bool (B, H, W)."""
    return logits.detach().argmax(1) == mask


FUNCTIONS: Mapping[PixelLoss, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": compute_cross_entropy,
    "masked_cross_entropy": compute_masked_cross_entropy,
    "jensen_shannon": compute_jensen_shannon,
}
