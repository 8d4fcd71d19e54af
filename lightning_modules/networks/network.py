"""What every network answers beside its logits: outputs of several tasks and members, by the names of the tasks."""

from collections.abc import Mapping

from torch import Tensor, nn

from lightning_modules.tasks.base import Task

SEGMENTATION = "segmentation"


class Network(nn.Module):
    """Base of the networks: what one answers that has no further task and combines no members.

    A module of another library need not have these methods: see `as_network`.
    """

    @property
    def tasks(self) -> Mapping[str, Task]:
        """What it learns and predicts beside the segmentation, by name."""
        return {}

    @property
    def shared(self) -> nn.Parameter | None:
        """The weight of the last layer that every task depends on; `None` where there is no such layer."""
        return None

    def compute_training_outputs(self, image: Tensor) -> dict[str, list[Tensor]]:
        """What each member is trained by, for each task: logits (B, K, H, W) of the segmentation, and outputs of the others.

        Args:
            image: (B, C, H, W), uint8 or float in [0, 1].
        """
        return {SEGMENTATION: [self(image)]}

    def compute_outputs(self, image: Tensor) -> dict[str, Tensor]:
        """What is predicted for each task, in one pass.

        Args:
            image: (B, C, H, W), uint8 or float in [0, 1].

        Returns:
            ``segmentation``, logits (B, K, H, W), and by name (B, F, H, W) of a dense task or (B, F) of another.
        """
        return {SEGMENTATION: self(image)}


class Wrapper(Network):
    """Base of the networks that hold another one as `network`, and pass on what it answers."""

    network: nn.Module

    @property
    def tasks(self) -> Mapping[str, Task]:
        """Those of the network within."""
        return as_network(self.network).tasks

    @property
    def shared(self) -> nn.Parameter | None:
        """That of the network within."""
        return as_network(self.network).shared

    def compute_training_outputs(self, image: Tensor) -> dict[str, list[Tensor]]:
        """Those of the network within."""
        return as_network(self.network).compute_training_outputs(image)

    def compute_outputs(self, image: Tensor) -> dict[str, Tensor]:
        """Those of the network within."""
        return as_network(self.network).compute_outputs(image)


class _ForeignNetwork(Network):
    """A module of another library, which gives logits and no more."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W) to logits (B, K, H, W)."""
        return self.network(image)


def as_network(module: nn.Module) -> Network:
    """A network as it is; a module that is none of ours in a view that answers what it has to, with the same weights."""
    return module if isinstance(module, Network) else _ForeignNetwork(module)
