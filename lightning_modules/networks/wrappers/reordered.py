"""A network whose classes or channels stand in another order than those of the data that it meets."""

from collections.abc import Sequence

from torch import Tensor, nn

from lightning_modules.networks.network import Network


class Reordered(Network):
    """A network that is asked for the classes of the data, in their order, and shown the channels in its own.

    Args:
        network: images (B, C, H, W) to logits (B, K, H, W).
        classes: which of its classes each class of the data is.
        channels: which channel of the data each of its channels is.
    """

    def __init__(self, network: nn.Module, classes: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.classes = list(classes)
        self.channels = list(channels)

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W) with the data's channels to logits (B, K, H, W) of the data's classes."""
        logits: Tensor = self.network(image[:, self.channels])
        return logits[:, self.classes]
