"""Temperature scaling of a network."""

from collections.abc import Callable

from torch import Tensor, nn

from lightning_modules.networks.network import SEGMENTATION, Wrapper
from lightning_modules.settings import require_positive


class TemperatureScaled(Wrapper):
    """A network with its logits divided by a temperature, which changes no prediction.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. `calibrate` fits the temperature on the validation
    split; of an ensemble it scales the combined logits ("pool, then calibrate", Rahaman & Thiery, NeurIPS 2021).

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        network: makes the network from (num_classes, in_channels).
        temperature: what its logits are divided by.

    Raises:
        UserError: the temperature is not positive.
    """

    def __init__(
        self, num_classes: int, in_channels: int, network: Callable[[int, int], nn.Module], temperature: float = 1.0
    ) -> None:
        require_positive("temperature", temperature, "such as 1")
        super().__init__()
        self.network = network(num_classes, in_channels)
        self.temperature = temperature

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1], to logits (B, K, H, W)."""
        return self.network(image) / self.temperature

    def compute_training_outputs(self, image: Tensor) -> dict[str, list[Tensor]]:
        """The training outputs of the wrapped network, with every member's logits scaled."""
        found = super().compute_training_outputs(image)
        return {**found, SEGMENTATION: [logits / self.temperature for logits in found[SEGMENTATION]]}

    def compute_outputs(self, image: Tensor) -> dict[str, Tensor]:
        """The outputs of the wrapped network, with its logits scaled."""
        found = super().compute_outputs(image)
        return {**found, SEGMENTATION: found[SEGMENTATION] / self.temperature}

    def load_pretrained(self, weights: str) -> None:
        """As the network itself does."""
        self.network.load_pretrained(weights)  # type: ignore[operator]
