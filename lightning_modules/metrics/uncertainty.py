"""How unsure several opinions of one image are, pixel by pixel: from the members' logits alone."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor


class Uncertainty(NamedTuple):
    """Maps (B, H, W) float32, 0 where all is sure.

    ``entropy`` of the mean probability, in nats, is all of the uncertainty; ``mutual_information`` of class and member
    is the part of it that the members do not share (Houlsby et al., 2011; Gal et al., ICML 2017): the entropy less the
    mean entropy of the members. ``disagreement`` is the share of members that do not vote for the class with the most
    votes (the variation ratio of Freeman, 1965).
    """

    entropy: Tensor
    mutual_information: Tensor
    disagreement: Tensor


def entropy(chances: Tensor) -> Tensor:
    """Entropy in nats of probabilities (B, K, H, W): (B, H, W)."""
    return torch.special.entr(chances).sum(1)


def uncertainty(opinions: Iterable[Tensor]) -> Uncertainty:
    """Maps of several opinions, which are held one at a time.

    Args:
        opinions: logits (B, K, H, W) of each member.
    """
    total = own = votes = None
    number = 0
    for logits in opinions:
        chances = logits.float().softmax(1)
        if total is None or own is None or votes is None:
            total, own, votes = torch.zeros_like(chances), torch.zeros_like(chances[:, 0]), torch.zeros_like(chances)
        total, own, number = total + chances, own + entropy(chances), number + 1
        votes.scatter_add_(1, logits.argmax(1, keepdim=True), torch.ones_like(chances[:, :1]))
    if total is None or own is None or votes is None:
        raise ValueError("there is no opinion")
    whole = entropy(total / number)
    shared = (whole - own / number).clamp(min=0)  # rounding may leave less than nothing
    return Uncertainty(whole, shared, 1 - votes.amax(1) / number)
