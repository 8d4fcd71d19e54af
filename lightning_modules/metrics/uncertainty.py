"""Uncertainty of several predictions of one image, for each pixel, from the members' logits alone."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_modules.labels import find_classes


class Uncertainty(NamedTuple):
    """Maps (B, H, W) float32, 0 where the prediction is certain.

    ``entropy`` of the mean probability, in nats, is the total uncertainty; ``mutual_information`` of class and member is
    the part of it that comes from disagreement between members (Houlsby et al., 2011; Gal et al., ICML 2017): the entropy
    less the mean entropy of the members. ``disagreement`` is the ratio of members that do not vote for the class with the
    most votes (the variation ratio of Freeman, 1965).
    """

    entropy: Tensor
    mutual_information: Tensor
    disagreement: Tensor


def entropy(chances: Tensor) -> Tensor:
    """Entropy in nats of probabilities (B, K, H, W): (B, H, W)."""
    return torch.special.entr(chances).sum(1)


def compute_uncertainty(member_logits: Iterable[Tensor]) -> Uncertainty:
    """Maps of the uncertainty of several members, of which one is in memory at a time.

    Args:
        member_logits: logits (B, K, H, W) of each member.
    """
    total = own = votes = None
    number = 0
    for logits in member_logits:
        chances = logits.float().softmax(1)
        if total is None or own is None or votes is None:
            total, own, votes = torch.zeros_like(chances), torch.zeros_like(chances[:, 0]), torch.zeros_like(chances)
        total, own, number = total + chances, own + entropy(chances), number + 1
        votes.scatter_add_(1, find_classes(logits)[:, None], torch.ones_like(chances[:, :1]))
    if total is None or own is None or votes is None:
        raise ValueError("there are no members")
    total_entropy = entropy(total / number)
    shared = (total_entropy - own / number).clamp(min=0)  # rounding may leave a negative number
    return Uncertainty(total_entropy, shared, 1 - votes.amax(1) / number)
