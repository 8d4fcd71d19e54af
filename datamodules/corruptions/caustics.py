"""Water over the scene, whose waves refract and focus the light."""

from math import pi

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.filters import gaussian_filter
from datamodules.corruptions.kernels.soft_shapes import draw_between
from datamodules.corruptions.kernels.tables import compute_cosines, compute_powers, compute_sines


class CausticRefraction(Corruption):
    """The view through a caustic pattern, refracted by its slope and lit by it.

    One of the corruptions of ImageNet-C-bar (Mintun, Kirillov & Xie, "On Interaction Between Augmentations and Corruptions in
    Natural Corruption Robustness", NeurIPS 2021), with its parameters, relative to the shorter side of the image instead of
    the side of its square ones. The pattern is the brightness of interfering waves. Outside of the image there is black, and
    the pattern is 0 there, too. Results are rounded down.
    """

    name = "caustic_refraction"
    family = "lighting"
    severities = declare(lens=(0.1175, 0.16, 0.245, 0.33, 0.4575), light=(0.47, 0.64, 0.98, 1.32, 1.83))
    """Distance behind the surface at which the scene lies, relative to the shorter side; light added by slope of the pattern,
    relative to the range.
    """
    constants = declare(refraction=4.0, sizes=(0.75, 1.25))
    """Ratio of the refractive indices; smallest and largest period of the pattern, relative to the shorter side."""

    @override
    def corrupt(
        self,
        images: Tensor,
        keys: Tensor,
        *,
        lens: float,
        light: float,
        refraction: float,
        sizes: tuple[float, float],
    ) -> Tensor:
        height, width = images.shape[2:]
        side = min(height, width)
        draws = draw_between(0, 1, keys, (2, 1, 1), stream=0)
        period = (draws[:, 0] * (sizes[1] - sizes[0]) + sizes[0]) * side
        pattern = draw_caustics((height, width), period, draws[:, 1] * 1.5 + 0.5)
        padded = functional.pad(gaussian_filter(pattern, 1.0, border="reflect"), (1, 1, 1, 1))
        slopes = torch.stack(
            (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1], padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]), 1
        )
        seen = _sample_bilinear(images, _refract(slopes, refraction).mul_(lens * side))
        lit = (slopes[:, 0] - slopes[:, 1]).mul_(255 * light)[:, None]
        return seen.add_(lit).clamp_(0, 255).to(torch.uint8)


def draw_caustics(size: tuple[int, int], period: Tensor, time: Tensor) -> Tensor:
    """The bright lines of light at the bottom of moving water.

    Args:
        size: height and width, in pixels.
        period: float32 (B, 1, 1), in pixels.
        time: float32 (B, 1, 1), at which the waves are seen.

    Returns:
        float32 (B, H, W) in [0, 1].
    """
    lines = [torch.arange(side, dtype=torch.float32, device=period.device) for side in size]
    places = [line / period for line in (lines[0][:, None], lines[1])]
    angles = [place.sub(place.floor()).mul_(2 * pi).sub_(250) for place in places]
    down, right = (part.contiguous() for part in torch.broadcast_tensors(*angles))
    first, second, total = down, right, torch.ones_like(down)
    for wave in range(5):
        now = time * (1 - 3.5 / (wave + 1))
        first, second = (
            down + _cosine(now - first) + _sine(now + second),
            right + _sine(now - second) + _cosine(now + first),
        )
        near, far = down * 0.005 / _sine(first + now), right * 0.005 / _cosine(second + now)
        total += 1 / (near * near + far * far).sqrt_()
    total.mul_(0.2)
    # Beyond 2.17 ** (1 / 1.4) the brightness is 1 whatever the sum.
    dark = 1.17 - compute_powers(total, 1.4, 1.74)
    return dark.square_().square_().square_().clamp_(max=1)


def _sine(radians: Tensor) -> Tensor:
    return compute_sines(radians.mul(1 / (2 * pi)))


def _cosine(radians: Tensor) -> Tensor:
    return compute_cosines(radians.mul(1 / (2 * pi)))


def _refract(slopes: Tensor, refraction: float) -> Tensor:
    """Where a ray from straight above goes, by Snell's law: float32 (B, 2, H, W), of unit length with its third part.

    The normal of the surface is (slope down, slope right, 1), of unit length. A surface that is all but flat refracts nothing.
    """
    steep = slopes.square().sum(1, keepdim=True)
    upright = 1 / (steep + 1).sqrt_()
    flat = upright >= 1 - 1e-3
    across = upright * upright * steep  # the squared sine of the angle to the normal
    bent = (1 - across / refraction**2).sqrt_() - upright / refraction
    return (slopes * upright).mul_(bent).masked_fill_(flat, 0)


def _sample_bilinear(images: Tensor, displacement: Tensor) -> Tensor:
    """float32 (B, C, H, W): levels at `displacement`, (B, 2, H, W) in pixels, from each pixel; 0 outside of the image.

    Displacements are rounded to thousandths of a pixel.
    """
    height, width = images.shape[2:]
    lines = [torch.arange(side, dtype=torch.float32, device=images.device) for side in (height, width)]
    steps = displacement.mul_(1000).round_().div_(1000)
    down, right = steps[:, 0] + lines[0][:, None], steps[:, 1] + lines[1]
    upper, left = down.floor(), right.floor()
    below, beside = down - upper, right - left
    flat = images.flatten(2)
    result = torch.zeros(images.shape, device=images.device)
    for row, share_down in ((upper, 1 - below), (upper + 1, below)):
        for column, share_right in ((left, 1 - beside), (left + 1, beside)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            places = row.clamp(0, height - 1).mul_(width).add_(column.clamp(0, width - 1)).to(torch.int64)
            found = flat.gather(2, places.flatten(1)[:, None].expand(-1, images.shape[1], -1)).view(images.shape)
            result += found * (share_down * share_right * inside)[:, None]
    return result
