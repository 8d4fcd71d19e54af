"""The interface of networks beside their logits: outputs of several tasks and members, by the names of the tasks."""

from collections.abc import Mapping

from torch import Tensor, nn

from lightning_modules.tasks.base import Task

SEGMENTATION = "segmentation"


class Network(nn.Module):
    """Base of the networks, with the defaults of one without further tasks and members.

    Modules of other libraries need not have these methods; see `as_network`.
    """

    @property
    def tasks(self) -> Mapping[str, Task]:
        """The further tasks beside the segmentation, by name."""
        return {}

    @property
    def shared(self) -> nn.Parameter | None:
        """The weight of the last layer that every task depends on; `None` where there is no such layer."""
        return None

    @property
    def has_own_loss(self) -> bool:
        """Whether `compute_own_loss` is there, for the objective `NetworkLoss`."""
        return False

    def compute_own_loss(self, image: Tensor, mask: Tensor) -> Tensor:
        """A loss, a scalar, that no function of the logits is, such as one that matches masks.

        Args:
            image: (B, C, H, W), uint8 or float in [0, 1].
            mask: class ids (B, H, W), 255 where ignored.
        """
        raise NotImplementedError

    def compute_training_outputs(self, image: Tensor) -> dict[str, list[Tensor]]:
        """The outputs of each member for the losses of each task, among them logits (B, K, H, W) of the segmentation.

        Args:
            image: (B, C, H, W), uint8 or float in [0, 1].
        """
        return {SEGMENTATION: [self(image)]}

    def compute_outputs(self, image: Tensor) -> dict[str, Tensor]:
        """The predictions for each task, in one pass.

        Args:
            image: (B, C, H, W), uint8 or float in [0, 1].

        Returns:
            ``segmentation``, logits (B, K, H, W), and by name (B, F, H, W) of a dense task or (B, F) of another.
        """
        return {SEGMENTATION: self(image)}


class Wrapper(Network):
    """Base of the networks that wrap another one as `network`, and forward its outputs."""

    network: nn.Module

    @property
    def tasks(self) -> Mapping[str, Task]:
        """The tasks of the wrapped network."""
        return as_network(self.network).tasks

    @property
    def shared(self) -> nn.Parameter | None:
        """The shared weight of the wrapped network."""
        return as_network(self.network).shared

    @property
    def has_own_loss(self) -> bool:
        """Whether the wrapped network has a loss of its own."""
        return as_network(self.network).has_own_loss

    def compute_own_loss(self, image: Tensor, mask: Tensor) -> Tensor:
        """The own loss of the wrapped network."""
        return as_network(self.network).compute_own_loss(image, mask)

    def compute_training_outputs(self, image: Tensor) -> dict[str, list[Tensor]]:
        """The training outputs of the wrapped network."""
        return as_network(self.network).compute_training_outputs(image)

    def compute_outputs(self, image: Tensor) -> dict[str, Tensor]:
        """The outputs of the wrapped network."""
        return as_network(self.network).compute_outputs(image)


class _ForeignNetwork(Network):
    """A module of another library, which returns only logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W) to logits (B, K, H, W)."""
        return self.network(image)


def as_network(module: nn.Module) -> Network:
    """Return a `Network` unchanged, and wrap any other module into one with the same weights."""
    return module if isinstance(module, Network) else _ForeignNetwork(module)
