"""The base of conditions that depend on the network: their images or predictions follow from the evaluated network."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from lightning_modules.networks.network import as_network


class NetworkCondition(ABC):
    """A condition of a sweep that has access to the network.

    An attack overrides `perturb`; a test-time adaptation has a state, and overrides `begin` and `predict`. Random draws
    follow from the keys of the images alone, so that a sweep has the same counts for any number of processes.
    """

    name: str
    """Name in snake_case, as in records."""

    kind: str
    """Kind, such as "attack"; scores are averaged separately for each kind."""

    severity: int = 1
    """Severity, from 1 on; the parameters state what it stands for."""

    needs_gradients: ClassVar[bool] = False
    """Whether `perturb` and `predict` differentiate."""

    has_state: ClassVar[bool] = False
    """Whether a batch affects the next one; it then gets all batches in order, with a network of its own."""

    every_condition: ClassVar[bool] = False
    """Whether it is evaluated under each corruption of the suite as well, instead of on clean images only."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """What determines its images or predictions beside name and severity, as values for JSON."""

    def begin(self, network: nn.Module) -> nn.Module:
        """Prepare the network for this condition, before the first batch.

        Args:
            network: the evaluated network, whose weights need no gradients; a condition with a state gets a copy that it
                may change.
        """
        return network

    def perturb(self, network: nn.Module, images: Tensor, masks: Tensor, keys: Tensor) -> Tensor:
        """Images under this condition.

        Args:
            network: see `begin`.
            images: uint8 (B, C, H, W); must not be modified.
            masks: int64 (B, H, W), 255 where ignored; must not be modified.
            keys: int64 (B,), one random key per image.

        Returns:
            (B, C, H, W), uint8 or float in [0, 1].
        """
        return images

    def predict(self, network: nn.Module, images: Tensor) -> dict[str, Tensor]:
        """The network's outputs by name, logits (B, K, H, W) under `SEGMENTATION`.

        Args:
            network: see `begin`.
            images: result of `perturb`; without the padding of a batch if the condition has a state.
        """
        return as_network(network).compute_outputs(images)
