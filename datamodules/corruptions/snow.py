"""Snow: streaks of flakes over a brightened image."""

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.filters import apply_motion_filter, clipped_zoom
from datamodules.corruptions.kernels.random import draw_bits, draw_normals


class Snow(Corruption):
    """Falling snow, out of a thresholded noise field (Hendrycks & Dietterich, ICLR 2019).

    The field is magnified, thresholded, and blurred along a line within 45 degrees of the vertical. The layer is added
    twice, unchanged and rotated by 180 degrees. Before that the image is brightened towards 1.5 times its luma plus a half.
    The luma of three channels is that of RGB, .299, .587, .114; of any other number it is their mean. All channels have the
    same flakes.
    """

    name = "snow"
    family = "weather"
    severities = declare(
        mean=(0.1, 0.2, 0.55, 0.55, 0.55),
        magnification=(3.0, 2.0, 4.0, 4.5, 2.5),
        threshold=(0.5, 0.5, 0.9, 0.85, 0.85),
        radius=(10, 12, 12, 12, 12),
        sigma=(4, 4, 8, 8, 12),
        mix=(0.8, 0.7, 0.7, 0.65, 0.55),
    )
    """Mean of the noise field, whose standard deviation is .3, its magnification, and the threshold below which it vanishes;
    half the length of a streak and the standard deviation along it, in pixels; weight of the image that is not brightened.
    """

    @override
    def corrupt(
        self,
        images: Tensor,
        keys: Tensor,
        *,
        mean: float,
        magnification: float,
        threshold: float,
        radius: int,
        sigma: int,
        mix: float,
    ) -> Tensor:
        height, width = images.shape[2:]
        field = _draw_field(keys, height, width, mean, magnification, threshold)
        words = draw_bits(keys, (1,), stream=1).view(-1)
        streaks = apply_motion_filter(field, radius, sigma, words, -135, -45)
        layer = streaks[:, :, :height, :width].mul(255).round_()  # whole levels
        levels = images.to(torch.float32)
        pale = _compute_luma(levels).mul_(1.5).add_(127.5)
        levels = torch.maximum(levels, pale).mul_(1 - mix).add_(levels, alpha=mix)
        levels += layer + layer.flip(2, 3)
        return levels.clamp_(max=255).to(torch.uint8)


def _draw_field(keys: Tensor, height: int, width: int, mean: float, magnification: float, threshold: float) -> Tensor:
    """float32 (B, 1, H, W) in [0, 1]: flakes before they streak."""
    field = draw_normals(keys, (1, height, width)).mul_(0.3).add_(mean)
    field = clipped_zoom(field, magnification)
    return field.mul(field >= threshold).clamp_(0, 1)


def _compute_luma(levels: Tensor) -> Tensor:
    """float32 (B, 1, H, W)."""
    if levels.shape[1] != 3:
        return levels.mean(1, keepdim=True)
    red, green, blue = levels.split(1, 1)
    return (red * 0.299).add_(green, alpha=0.587).add_(blue, alpha=0.114)
