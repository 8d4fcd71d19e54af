"""Statistics of an image by which its corruption is recognised: levels, detail on several scales, noise, blocks."""

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.images import to_unit_range

SCALES = 4
"""Times that an image is halved."""

SMALLEST = 1e-7
"""Added before a logarithm: the mean square of half of one of 255 levels is about 4e-6."""

BLOCK = 8
"""Side of the blocks of JPEG, in pixels."""

NAMES = (
    *(
        "level",
        "contrast",
        "tint",
        "saturation",
        "dark_share",
        "bright_share",
        "low_level",
        "middle_level",
        "high_level",
    ),
    *(f"{kind}_{scale}" for scale in range(SCALES) for kind in ("detail", "diagonal", "direction")),
    *("noise", "tails", "noise_by_level", "blocks"),
)
"""Of the columns of `compute_image_statistics`."""


def compute_image_statistics(image: Tensor) -> Tensor:
    """Statistics (B, `NAMES`) float32 of images (B, C, H, W), uint8 or float in [0, 1]; each of its image alone.

    - Levels: mean and deviation of the grey level, the deviation between the means of channels, the mean range of a pixel's
      channels, the shares of nearly black and nearly white pixels, and the 5th, 50th and 95th percentile.
    - Detail: coefficients of a Haar transform on each scale: the logarithm of their mean square, that of diagonal ones
      beside it, and how much more there is across than down. Blur takes detail from fine scales, motion from one direction.
    - Noise: the median of the finest diagonal coefficients (Donoho & Johnstone, "Ideal Spatial Adaptation by Wavelet
      Shrinkage", Biometrika 1994), their kurtosis, and how they grow with the level.
    - Blocks: differences across the borders of blocks of 8 x 8 pixels beside those within.
    """
    x = to_unit_range(image).float()
    grey = x.mean(1, keepdim=True)
    found = [*_describe_levels(x, grey), *_describe_detail(grey), _measure_blocks(grey)]
    return torch.stack(found, 1)


def _describe_levels(x: Tensor, grey: Tensor) -> list[Tensor]:
    flat = grey.flatten(1)
    low, middle, high = flat.quantile(torch.tensor([0.05, 0.5, 0.95], device=x.device), 1)
    return [
        flat.mean(1),
        flat.std(1, correction=0),
        x.mean((2, 3)).std(1, correction=0),
        (x.amax(1) - x.amin(1)).mean((1, 2)),
        (flat < 0.02).float().mean(1),
        (flat > 0.98).float().mean(1),
        low,
        middle,
        high,
    ]


def _describe_detail(grey: Tensor) -> list[Tensor]:
    """Three statistics of each scale, from fine to coarse, then those of the noise."""
    found: list[Tensor] = []
    noise: list[Tensor] = []
    for scale in range(SCALES):
        height, width = grey.shape[2:]
        if min(height, width) < 2:  # nothing is left to halve
            found += 3 * [torch.zeros(len(grey), device=grey.device)]
            continue
        even = grey[:, :, : height // 2 * 2, : width // 2 * 2]
        one, other, third, fourth = (even[:, 0, row::2, column::2] for row in (0, 1) for column in (0, 1))
        across, down = (one - other + third - fourth) / 2, (one + other - third - fourth) / 2
        diagonal = (one - other - third + fourth) / 2
        energies = [part.square().mean((1, 2)) + SMALLEST for part in (across, down, diagonal)]
        found += [(energies[0] + energies[1]).log(), energies[2].log(), (energies[0] / energies[1]).log().abs()]
        if scale == 0:
            noise = _describe_noise(diagonal, (one + other + third + fourth) / 4)
        grey = F.avg_pool2d(even, 2)
    return [*found, *noise]


def _describe_noise(diagonal: Tensor, level: Tensor) -> list[Tensor]:
    size, level = diagonal.abs().flatten(1), level.flatten(1)
    square = size.square().mean(1) + SMALLEST
    centred_size, centred_level = (part - part.mean(1, keepdim=True) for part in (size, level))
    spread = (centred_size.square().mean(1) * centred_level.square().mean(1)).sqrt() + SMALLEST
    return [
        (size.median(1).values / 0.6745 + SMALLEST**0.5).log(),
        (size.pow(4).mean(1) / square.square() + 1).log(),
        (centred_size * centred_level).mean(1) / spread,
    ]


def _measure_blocks(grey: Tensor) -> Tensor:
    found = []
    for steps in (
        (grey[..., 1:] - grey[..., :-1]).abs().mean((1, 2)),
        (grey[:, :, 1:] - grey[:, :, :-1]).abs().mean((1, 3)),
    ):
        places = torch.arange(steps.shape[1], device=grey.device)
        at_border = places % BLOCK == BLOCK - 1
        if at_border.all() or not at_border.any():
            found.append(torch.zeros(len(grey), device=grey.device))
        else:
            found.append(((steps[:, at_border].mean(1) + 1e-3) / (steps[:, ~at_border].mean(1) + 1e-3)).log())
    return torch.stack(found).mean(0)
