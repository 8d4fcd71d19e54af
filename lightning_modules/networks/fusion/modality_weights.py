"""How the maps of several modalities become one: what each of them weighs.

Every way starts as the mean over the modalities that are present.
"""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn


def weigh(maps: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
    """M maps (B, C, H, W), each times its weight in `weights` (B, M) or, for each channel, (B, M, C)."""
    weights = weights.to(maps[0].dtype).reshape(*weights.shape[:2], -1, 1, 1)
    return [weights[:, number] * one for number, one in enumerate(maps)]


def sum_weighted(maps: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Sum (B, C, H, W) of M maps, each times its weight; see `weigh`."""
    return reduce(torch.add, weigh(maps, weights))


def masked_softmax(scores: Tensor, present: Tensor) -> Tensor:
    """Weights over the M modalities present that sum to one, from scores (B, M, ...) and presence (B, M)."""
    absent = ~present.reshape(*present.shape, *(1,) * (scores.ndim - 2))
    return scores.masked_fill(absent, -torch.inf).softmax(1)


class Mean(nn.Module):
    """The mean over the modalities that are present (Havaei et al., "HeMIS", MICCAI 2016)."""

    def forward(self, maps: Sequence[Tensor], present: Tensor) -> Tensor:
        """M maps (B, C, H, W) and presence (B, M) to one map (B, C, H, W)."""
        return sum_weighted(maps, present / present.sum(1, keepdim=True))


class Concatenation(nn.Module):
    """The maps beside each other, mixed by a 1x1 convolution.

    A missing modality is zero, and the others are scaled up in its stead as dropout does.

    Args:
        channels: C of each map.
        modalities: M.
    """

    def __init__(self, channels: int, modalities: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(modalities * channels, channels, 1, bias=False)
        with torch.no_grad():
            self.mix.weight.copy_(torch.eye(channels).repeat(1, modalities)[..., None, None])

    def forward(self, maps: Sequence[Tensor], present: Tensor) -> Tensor:
        """M maps (B, C, H, W) and presence (B, M) to one map (B, C, H, W)."""
        return self.mix(torch.cat(weigh(maps, present / present.sum(1, keepdim=True)), 1))


class Gate(nn.Module):
    """Weights of the modalities for each image, from what their globally pooled features say.

    A softmax over the branches, as in selective kernels (Li et al., "Selective Kernel Networks", CVPR 2019), but with
    one weight for all channels of a modality.

    Args:
        channels: C of each map.
        modalities: M.
    """

    def __init__(self, channels: int, modalities: int) -> None:
        super().__init__()
        self.scores = nn.ModuleList([nn.Linear(channels, 1) for _ in range(modalities)])
        for score in self.scores.parameters():
            nn.init.zeros_(score)

    def forward(self, maps: Sequence[Tensor], present: Tensor) -> Tensor:
        """M maps (B, C, H, W) and presence (B, M) to weights (B, M) that sum to one."""
        scores = [score(one.mean((2, 3))) for score, one in zip(self.scores, maps, strict=True)]
        return masked_softmax(torch.cat(scores, 1), present)


class Attention(nn.Module):
    """The maps weighted by a `Gate` of their own.

    Args:
        channels: C of each map.
        modalities: M.
    """

    def __init__(self, channels: int, modalities: int) -> None:
        super().__init__()
        self.gate = Gate(channels, modalities)

    def forward(self, maps: Sequence[Tensor], present: Tensor) -> Tensor:
        """M maps (B, C, H, W) and presence (B, M) to one map (B, C, H, W)."""
        return sum_weighted(maps, self.gate(maps, present))


class ClassWeights(nn.Module):
    """A learned weight for each modality and class, the same for all images.

    Args:
        num_classes: K, the channels of each map.
        modalities: M.
    """

    def __init__(self, num_classes: int, modalities: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(modalities, num_classes))

    def forward(self, maps: Sequence[Tensor], present: Tensor) -> Tensor:
        """M logits (B, K, H, W) and presence (B, M) to logits (B, K, H, W)."""
        return sum_weighted(maps, masked_softmax(self.scores.expand(present.shape[0], -1, -1), present))
