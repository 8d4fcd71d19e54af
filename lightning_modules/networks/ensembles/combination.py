"""Base of the networks that combine several predictions of an image: of members, heads, samples or views."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from lightning_modules.labels import find_classes
from lightning_modules.metrics.uncertainty import Uncertainty, compute_uncertainty
from lightning_modules.networks.network import SEGMENTATION, Network, Wrapper
from user_error import UserError

Average = Literal["probabilities", "logits"]
AVERAGES: tuple[Average, ...] = get_args(Average)

TINY = torch.finfo(torch.float32).tiny

Read = Callable[[Tensor], Any]
"""What is kept of the logits (B, K, H, W) of a member."""


def average_logits(member_logits: Iterable[Tensor], average: Average) -> Tensor:
    """The mean prediction of several members, of which one is in memory at a time.

    Args:
        member_logits: logits (B, K, H, W) of each member.
        average: "probabilities" gives the logarithm of the mean probability, whose softmax is that mean again; "logits"
            gives the mean of the logits.

    Returns:
        Logits (B, K, H, W).
    """
    mixed = average == "probabilities"
    parts = (logits.float().softmax(1) if mixed else logits for logits in member_logits)
    total, number = next(parts), 1
    for one in parts:
        total, number = total + one, number + 1
    mean = total / number
    return mean.clamp(min=TINY).log() if mixed else mean


class Combination(Network, ABC):
    """Base of the networks that combine the predictions of several members; a network overrides `compute_member_logits`.

    In training each member has a loss of its own; see `objectives.base.average_over_members`.
    """

    average: Average = "probabilities"
    _watched: list[Any] | None = None
    _read: Read = staticmethod(find_classes)

    @property
    def combines(self) -> bool:
        """Whether there are members at all; a wrapper around a network of one has none."""
        return True

    def require_average(self, average: str) -> None:
        """Set what is averaged.

        Raises:
            UserError: `average` is neither "probabilities" nor "logits".
        """
        if average not in AVERAGES:
            raise UserError(f"average is {average!r}: give 'probabilities' or 'logits'")
        self.average = average

    @abstractmethod
    def compute_member_logits(self, image: Tensor) -> Iterator[Tensor]:
        """Images (B, C, H, W), uint8 or float in [0, 1], to the logits (B, K, H, W) of each member, one after the other."""

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1], to logits (B, K, H, W) of the mean prediction."""
        return average_logits(self._show(self.compute_member_logits(image)), self.average)

    def _show(self, member_logits: Iterable[Tensor]) -> Iterator[Tensor]:
        """The members' logits, each shown to who watches."""
        if self._watched is not None:
            self._watched.clear()
        for logits in member_logits:
            if self._watched is not None:
                self._watched.append(self._read(logits))
            yield logits

    def compute_training_outputs(self, image: Tensor) -> dict[str, list[Tensor]]:
        """The logits (B, K, H, W) of every member."""
        return {SEGMENTATION: list(self.compute_member_logits(image))}

    def compute_member_outputs(self, image: Tensor) -> Iterator[dict[str, Tensor]]:
        """The outputs of each member for each task, one member after the other; a member with further tasks gives those too."""
        yield from ({SEGMENTATION: logits} for logits in self.compute_member_logits(image))

    def compute_outputs(self, image: Tensor) -> dict[str, Tensor]:
        """See `Network`; for a further task, the mean of the members' outputs."""
        if not self.tasks:
            return {SEGMENTATION: self(image)}
        found = list(self.compute_member_outputs(image))
        means = {name: torch.stack([one[name] for one in found]).mean(0) for name in self.tasks}
        return {SEGMENTATION: average_logits(self._show(one[SEGMENTATION] for one in found), self.average), **means}

    def compute_uncertainty(self, image: Tensor) -> Uncertainty:
        """Maps (B, H, W) of the uncertainty of the members' predictions."""
        return compute_uncertainty(self.compute_member_logits(image))


def find_combination(network: nn.Module) -> Combination | None:
    """The network that combines several members, within the wrappers of one; `None` where none does."""
    while not (isinstance(network, Combination) and network.combines):
        if not isinstance(network, Wrapper):
            return None
        network = network.network
    return network


@contextmanager
def watch_members(network: nn.Module, read: Read = find_classes) -> Iterator[list[Any]]:
    """What each member predicted in the last pass of a network within the block; nothing of a single one.

    Args:
        network: that is called within the block.
        read: of the logits of a member; its classes (B, H, W) int64 if left out.
    """
    combination, watched = find_combination(network), list[Any]()
    if combination is None:
        yield watched
        return
    combination._watched, combination._read = watched, read
    try:
        yield watched
    finally:
        combination._watched = None
