"""What every condition is that depends on the network: its images, or its answers, follow from the one that is tested."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from lightning_modules.networks.network import as_network


class NetworkCondition(ABC):
    """A condition of a sweep that is shown the network.

    An attack overrides `perturb`; a method that adapts the network to what it sees has a state, and overrides `begin` and
    `predict`. Whatever it draws follows from the keys of the images alone, so that a sweep has the same counts for any
    number of processes.
    """

    name: str
    """snake_case, as records call it."""

    kind: str
    """Such as "attack": each kind has a mean of its own, and none enters another's."""

    severity: int = 1
    """Its place on an axis of growing strength, from 1 on; what it stands for is among the parameters."""

    needs_gradients: ClassVar[bool] = False
    """Whether `perturb` and `predict` differentiate."""

    has_state: ClassVar[bool] = False
    """Whether what it learns from a batch acts on the next; it then meets all batches in order, alone on its network."""

    every_condition: ClassVar[bool] = False
    """Whether it is met under each corruption of the suite as well, rather than on clean images alone."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """What decides its images or answers beside name and severity, ready for JSON."""

    def begin(self, network: nn.Module) -> nn.Module:
        """The network that is asked under this condition, before the first batch.

        Args:
            network: the one that is tested, without gradients of its weights; for a condition with a state a copy of its
                own, which it may change.
        """
        return network

    def perturb(self, network: nn.Module, images: Tensor, masks: Tensor, keys: Tensor) -> Tensor:
        """Images under this condition.

        Args:
            network: see `begin`.
            images: uint8 (B, C, H, W); left as they are.
            masks: int64 (B, H, W), 255 where ignored; left as they are.
            keys: int64 (B,), one draw per image.

        Returns:
            (B, C, H, W), uint8 or float in [0, 1].
        """
        return images

    def predict(self, network: nn.Module, images: Tensor) -> dict[str, Tensor]:
        """The network's outputs by name, logits (B, K, H, W) under `SEGMENTATION`.

        Args:
            network: see `begin`.
            images: of `perturb`. Where the condition has a state, the filling of a batch is not among them.
        """
        return as_network(network).compute_outputs(images)
