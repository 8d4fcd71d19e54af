"""A small network for tests of objectives, which keeps the images that have gone through it."""

from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.networks.network import Network


class WatchedNetwork(Network):
    """With batch normalisation and a loss of its own."""

    has_own_loss = True  # type: ignore[assignment]

    def __init__(self, num_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, num_classes, 1),
        )
        self.shown: list[Tensor] = []

    def forward(self, image: Tensor) -> Tensor:
        self.shown.append(image)
        return self.layers(image if image.is_floating_point() else image / 255)

    def compute_own_loss(self, image: Tensor, mask: Tensor) -> Tensor:
        return 3 * F.cross_entropy(self(image), mask, ignore_index=255)
