"""Small networks that combinations are made of in tests."""

import torch
from torch import Tensor, nn

from lightning_modules.networks.smp import SmpNetwork


def small(num_classes: int, in_channels: int, **settings: object) -> SmpNetwork:
    """A U-Net with random statistics of batch normalisation, as a trained one has."""
    network = SmpNetwork(num_classes, in_channels, architecture="Unet", encoder="mobilenet_v2", **settings)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.05)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return network


def images(number: int = 2, channels: int = 3, size: tuple[int, int] = (64, 64), seed: int = 0) -> Tensor:
    """Bytes (B, C, H, W)."""
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (number, channels, *size), dtype=torch.uint8, generator=random)


class Linear(nn.Module):
    """Logits that are linear in the image: what a combination makes of it can be written down."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(in_channels, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Bytes or floats to logits."""
        return self.layer(image if image.is_floating_point() else image.float() / 255)
