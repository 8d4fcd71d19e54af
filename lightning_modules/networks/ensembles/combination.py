"""What networks share that look at an image several times: members, heads, samples or views."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lightning_modules.metrics.uncertainty import Uncertainty, uncertainty
from lightning_modules.networks.network import SEGMENTATION, Network, Wrapper
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


class Combination(Network):
    """Base of the networks that give several opinions of an image; a network overrides `opinions`.

    In training each opinion has a loss of its own, see `objectives.base.mean_over_members`.
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

    def training_outputs(self, image: Tensor) -> dict[str, list[Tensor]]:
        """The logits (B, K, H, W) of every member."""
        return {SEGMENTATION: list(self.opinions(image))}

    def member_outputs(self, image: Tensor) -> Iterator[dict[str, Tensor]]:
        """What each member predicts for each task, one after the other; members with further tasks are asked for them."""
        yield from ({SEGMENTATION: logits} for logits in self.opinions(image))

    def outputs(self, image: Tensor) -> dict[str, Tensor]:
        """See `Network`; of a further task, the mean of the members' outputs."""
        if not self.tasks:
            return {SEGMENTATION: self(image)}
        found = list(self.member_outputs(image))
        means = {name: torch.stack([one[name] for one in found]).mean(0) for name in self.tasks}
        return {SEGMENTATION: mean_logits((one[SEGMENTATION] for one in found), self.average), **means}

    def uncertainty(self, image: Tensor) -> Uncertainty:
        """Maps (B, H, W) of how unsure the opinions of an image are."""
        return uncertainty(self.opinions(image))


def find_combination(network: nn.Module) -> Combination | None:
    """The network that combines several members, within the wrappers of one; `None` where none does."""
    while isinstance(network, Wrapper) and not isinstance(network, Combination):
        network = network.network
    return network if isinstance(network, Combination) else None
