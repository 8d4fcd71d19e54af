"""A network that answers in the classes of the data, which it was not trained for by these names or in this order."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from lightning_modules.networks.network import SEGMENTATION, Wrapper
from user_error import UserError

BELOW = 100.0
"""How far below all others the logit of a class lies that the network does not know: its probability is below 1e-43."""


class MappedClasses(Wrapper):
    """A network with each class of the data made of classes of its own.

    The logit of a class that is made of several is the logarithm of the sum of their exponentials, so that the probability
    of the class is the sum of theirs. A class of the network that belongs to none is left out: the others share its
    probability in their proportion. A class of the data that the network does not know is made of none: it is never the
    answer.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        network: makes the network from (number of its own classes, in_channels).
        own_classes: number of the network's own classes.
        sources: for each class of the data the indices of the network's classes that it is made of.

    Raises:
        UserError: there is not one entry for each class of the data, an index is out of range or stands twice, or all
            entries are empty.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        network: Callable[[int, int], nn.Module],
        own_classes: int,
        sources: Sequence[Sequence[int]],
    ) -> None:
        super().__init__()
        used = [index for one in sources for index in one]
        if len(sources) != num_classes:
            raise UserError(f"sources has {len(sources)} entries for {num_classes} classes: give one for each")
        if not used or not all(0 <= index < own_classes for index in used) or len(used) != len(set(used)):
            raise UserError(
                f"sources {[list(one) for one in sources]} are no classes of a network that tells {own_classes} apart: give "
                "indices, each at most once"
            )
        self.network = network(own_classes, in_channels)
        self.sources = [list(one) for one in sources]

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1], to logits (B, K, H, W)."""
        return self.map_logits(self.network(image))

    def map_logits(self, logits: Tensor) -> Tensor:
        """Logits of the network's own classes (B, L, H, W) to those of the data's (B, K, H, W)."""
        if all(len(one) == 1 for one in self.sources):
            return logits[:, [index for (index,) in self.sources]]
        known = [index for one in self.sources for index in one]
        lowest = logits[:, known].amin(1) - BELOW
        columns = [
            logits[:, one[0]] if len(one) == 1 else logits[:, one].logsumexp(1) if one else lowest
            for one in self.sources
        ]
        return torch.stack(columns, 1)

    def compute_training_outputs(self, image: Tensor) -> dict[str, list[Tensor]]:
        """The training outputs of the wrapped network, with every member's logits mapped."""
        found = super().compute_training_outputs(image)
        return {**found, SEGMENTATION: [self.map_logits(logits) for logits in found[SEGMENTATION]]}

    def compute_outputs(self, image: Tensor) -> dict[str, Tensor]:
        """The outputs of the wrapped network, with its logits mapped."""
        found = super().compute_outputs(image)
        return {**found, SEGMENTATION: self.map_logits(found[SEGMENTATION])}

    def load_pretrained(self, weights: str) -> None:
        """As the network itself does."""
        self.network.load_pretrained(weights)  # type: ignore[operator]
