"""Snow: flakes that streak, over a pale image."""

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import JSON, Corruption
from datamodules.corruptions.filters import clipped_zoom, motion_filter
from datamodules.corruptions.random import normals, random_bits


class Snow(Corruption):
    """Falling snow, out of a thresholded noise field (Hendrycks & Dietterich, ICLR 2019).

    The field is magnified, what stays below a threshold vanishes, and the rest is blurred along a line within 45 degrees
    of the vertical. The layer is added twice, as it is and turned by 180 degrees. The image turns pale first: towards
    1.5 of its luma and a half. The luma of three channels is that of RGB, .299, .587, .114; of one it is that channel,
    of any other number their mean. All channels meet the same flakes.
    """

    name = "snow"
    family = "weather"
    means = (0.1, 0.2, 0.55, 0.55, 0.55)
    """Of the noise field, for each severity; its standard deviation is .3."""
    magnifications = (3.0, 2.0, 4.0, 4.5, 2.5)
    thresholds = (0.5, 0.5, 0.9, 0.85, 0.85)
    radii = (10, 12, 12, 12, 12)
    """Half the length of a streak, in pixels."""
    sigmas = (4, 4, 8, 8, 12)
    """Standard deviation along a streak, in pixels."""
    mixes = (0.8, 0.7, 0.7, 0.65, 0.55)
    """Share of the image that does not turn pale."""

    @override
    def corrupt(self, images: Tensor, severity: int, keys: Tensor) -> Tensor:
        height, width = images.shape[2:]
        layer = self._layer(keys, height, width, severity - 1)
        levels = images.to(torch.float32)
        pale = _luma(levels).mul_(1.5).add_(127.5)
        mix = self.mixes[severity - 1]
        levels = torch.maximum(levels, pale).mul_(1 - mix).add_(levels, alpha=mix)
        levels += layer + layer.flip(2, 3)
        return levels.clamp_(max=255).to(torch.uint8)

    def _layer(self, keys: Tensor, height: int, width: int, at: int) -> Tensor:
        """float32 (B, 1, H, W): whole levels of snow."""
        field = normals(keys, (1, height, width)).mul_(0.3).add_(self.means[at])
        field = clipped_zoom(field, self.magnifications[at])
        field = field.mul(field >= self.thresholds[at]).clamp_(0, 1)
        words = random_bits(keys, (1,), stream=1).view(-1)
        streaks = motion_filter(field, self.radii[at], self.sigmas[at], words, -135, -45)
        return streaks[:, :, :height, :width].mul(255).round_()

    @override
    def parameters(self, severity: int) -> dict[str, JSON]:
        at = severity - 1
        return {
            "mean": self.means[at],
            "magnification": self.magnifications[at],
            "threshold": self.thresholds[at],
            "radius": self.radii[at],
            "sigma": self.sigmas[at],
            "mix": self.mixes[at],
        }


def _luma(levels: Tensor) -> Tensor:
    """float32 (B, 1, H, W)."""
    if levels.shape[1] != 3:
        return levels.mean(1, keepdim=True)
    red, green, blue = levels.split(1, 1)
    return (red * 0.299).add_(green, alpha=0.587).add_(blue, alpha=0.114)
