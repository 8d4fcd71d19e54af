"""What networks share that look at an image several times: members, heads, samples or views."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lightning_modules.metrics.uncertainty import Uncertainty, uncertainty
from lightning_modules.networks.pruned import PrunedNetwork
from lightning_modules.networks.temperature import TemperatureScaled
from user_error import UserError

Average = Literal["probabilities", "logits"]
AVERAGES: tuple[Average, ...] = get_args(Average)

TINY = torch.finfo(torch.float32).tiny


def mean_logits(opinions: Iterable[Tensor], average: Average) -> Tensor:
    """One answer out of several, which are held one at a time.

    Args:
        opinions: logits (B, K, H, W) of each.
        average: "probabilities" gives the logarithm of their mean probability, so that a softmax of the answer is that
            mean; "logits" the mean of the logits.

    Returns:
        Logits (B, K, H, W).
    """
    mixed = average == "probabilities"
    parts = (logits.float().softmax(1) if mixed else logits for logits in opinions)
    total, number = next(parts), 1
    for one in parts:
        total, number = total + one, number + 1
    mean = total / number
    return mean.clamp(min=TINY).log() if mixed else mean


class Combination(nn.Module):
    """Base of the networks that give several opinions of an image; a network overrides `opinions`.

    In training each opinion has a loss of its own, see `SegmentationModule.mean_loss`: members that were trained
    through their mean would make up for each other instead of each solving the task.
    """

    average: Average = "probabilities"

    def require_average(self, average: str) -> None:
        """Set what the mean is of.

        Raises:
            UserError: there is no such mean.
        """
        if average not in AVERAGES:
            raise UserError(f"average is {average!r}: give 'probabilities' or 'logits'")
        self.average = average

    @abstractmethod
    def opinions(self, image: Tensor) -> Iterator[Tensor]:
        """Images (B, C, H, W), uint8 or float in [0, 1], to the logits (B, K, H, W) of each member, one after the other."""

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1], to logits (B, K, H, W) of the mean opinion."""
        return mean_logits(self.opinions(image), self.average)

    def uncertainty(self, image: Tensor) -> Uncertainty:
        """Maps (B, H, W) of how unsure the opinions of an image are."""
        return uncertainty(self.opinions(image))


def combination_in(network: nn.Module) -> Combination | None:
    """The combination that a network is, also where its channels were pruned; `None` where it has one opinion."""
    found = network.network if isinstance(network, PrunedNetwork) else network
    return found if isinstance(found, Combination) else None


def opinions_of(network: nn.Module, image: Tensor) -> Iterator[Tensor]:
    """What a network's training holds against the mask: logits (B, K, H, W), or those of each opinion of a combination."""
    if isinstance(network, TemperatureScaled):
        yield from (logits / network.temperature for logits in opinions_of(network.network, image))
        return
    several = combination_in(network)
    if several is None:
        yield network(image)
    else:
        yield from several.opinions(image)
