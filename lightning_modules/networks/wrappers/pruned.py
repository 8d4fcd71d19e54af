"""A network with channels removed."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from lightning_modules.networks.network import Wrapper
from lightning_modules.pruning.plan import follow_plan


class PrunedNetwork(Wrapper):
    """Any network whose channels were removed by `prune`; it is built completely and then resized by the plan.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        network: makes the unpruned network from (num_classes, in_channels).
        plan: sizes of the pruned modules; see `lightning_modules.pruning.plan`.

    Raises:
        UserError: the plan belongs to another network.
    """

    def __init__(
        self, num_classes: int, in_channels: int, network: Callable[[int, int], nn.Module], plan: dict[str, Any]
    ) -> None:
        super().__init__()
        self.network = network(num_classes, in_channels)
        follow_plan(self.network, plan)

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1], to logits (B, K, H, W)."""
        return self.network(image)
