"""A network whose classes or channels have another order than those of the data."""

from collections.abc import Sequence

from torch import Tensor, nn

from lightning_modules.networks.network import Network


class Reordered(Network):
    """Reorders the channels of the data for a network, and its logits to the classes of the data.

    Args:
        network: images (B, C, H, W) to logits (B, K, H, W).
        classes: index in the network's classes of each class of the data.
        channels: index in the data's channels of each channel of the network.
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
