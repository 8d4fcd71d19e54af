"""A network with its outputs for one batch of images already computed, so that an inner objective costs no further pass."""

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from lightning_modules.networks.network import Wrapper, as_network


class Precomputed(Wrapper):
    """Stands in for a network when an objective calls another one on images that have been through the network.

    Every other image, such as a view that the inner objective makes itself, goes through the network as ever, and so do these
    in another mode, as an attack may run it. A copy is one of the network alone.

    Args:
        network: which the outputs are of.
        image: (B, C, H, W), the very tensor that the inner objective is given; an equal one is not known.
        outputs: of `compute_training_outputs` for `image`.
    """

    def __init__(self, network: nn.Module, image: Tensor, outputs: Mapping[str, list[Tensor]]) -> None:
        super().__init__()
        self.network = network
        self.training = self.known_mode = network.training
        self.image = image
        self.outputs = outputs

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W) to logits (B, K, H, W), by the network."""
        return self.network(image)

    def compute_training_outputs(self, image: Tensor) -> dict[str, list[Tensor]]:
        """The known outputs for the known images, and the network's for others."""
        if image is self.image and self.network.training == self.known_mode:
            return dict(self.outputs)
        return as_network(self.network).compute_training_outputs(image)

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Module:
        return copy.deepcopy(self.network, memo)
