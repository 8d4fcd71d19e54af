"""Stars of light with rays of random lengths.

Two of the corruptions of ImageNet-C-bar (Mintun, Kirillov & Xie, "On Interaction Between Augmentations and Corruptions in
Natural Corruption Robustness", NeurIPS 2021), with its parameters, relative to the shorter side of the image instead of the
side of its square ones. Results are rounded down.
"""

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.random import draw_bits, draw_normals
from datamodules.corruptions.kernels.soft_shapes import draw_between
from datamodules.corruptions.kernels.tables import compute_powers, compute_turns

MOST_RAYS = 199
SPREAD = 0.25
"""Standard deviation of the length of rays, relative to the radius."""


class Sparkles(Corruption):
    """White stars at random places (Mintun et al., NeurIPS 2021)."""

    name = "sparkles"
    family = "lighting"
    severities = declare(radius=(0.01, 0.02, 0.03, 0.05, 0.06))
    """Mean length of the rays, relative to the shorter side; the light falls off beyond it with the square of the distance."""
    constants = declare(stars=5)

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, radius: float, stars: int) -> Tensor:
        height, width = images.shape[2:]
        places = draw_between(0, 1, keys, (stars, 2), stream=0)
        lengths = _draw_lengths(keys, stars, radius * min(height, width)).clamp_(min=1)
        numbers = _draw_numbers(keys, stars)
        left = torch.ones((len(keys), height, width), device=images.device)  # of the distance to white
        for star in range(stars):
            ratio, bow = _compute_star((height, width), places[:, star], lengths[:, star], numbers[:, star])
            left.mul_(1 - bow.mul_(ratio.square_()).clamp_(0, 1))
        return _blend_with_white(images, left)


class InverseSparkles(Corruption):
    """White around a star in which the image is left (Mintun et al., NeurIPS 2021)."""

    name = "inverse_sparkles"
    family = "lighting"
    severities = declare(falloff=(0.13, 0.26, 0.52, 1.17, 1.3))
    """Exponent by which the image fades with the squared distance."""
    constants = declare(radius=0.25)
    """Mean length of the rays, relative to the shorter side."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, falloff: float, radius: float) -> Tensor:
        height, width = images.shape[2:]
        place = draw_between(0.25, 0.75, keys, (2,), stream=0)
        lengths = _draw_lengths(keys, 1, radius * min(height, width))[:, 0]
        ratio, bow = _compute_star((height, width), place, lengths, _draw_numbers(keys, 1)[:, 0])
        most = (4 / 3) ** (0.5 / falloff)  # beyond it the image is left as it is, since a bow is at least 3 / 4
        return _blend_with_white(images, bow.mul_(compute_powers(ratio.abs_(), 2 * falloff, most)).clamp_(0, 1))


def _draw_lengths(keys: Tensor, stars: int, radius: float) -> Tensor:
    """float32 (B, stars, MOST_RAYS): lengths of rays, in pixels."""
    return draw_normals(keys, (stars, MOST_RAYS), stream=1).mul_(SPREAD * radius).add_(radius)


def _draw_numbers(keys: Tensor, stars: int) -> Tensor:
    """int64 (B, stars): between 50 and `MOST_RAYS` rays."""
    return draw_bits(keys, (stars,), stream=2).to(torch.int64).mul_(MOST_RAYS - 49).bitwise_right_shift_(16).add_(50)


def _compute_star(size: tuple[int, int], place: Tensor, lengths: Tensor, rays: Tensor) -> tuple[Tensor, Tensor]:
    """A star at every pixel.

    Args:
        size: height and width of the image.
        place: float32 (B, 2), of its centre, relative to height and width.
        lengths: float32 (B, MOST_RAYS), of its rays, in pixels.
        rays: int64 (B,), their number.

    Returns:
        float32 (B, H, W) each: the length of the ray in that direction, in distances from the centre; and a bow across
        each ray, 1 in its middle and 3 / 4 at its edges.
    """
    rows, columns = (torch.arange(side, dtype=torch.float32, device=place.device) for side in size)
    down, right = torch.broadcast_tensors(
        rows[:, None] - place[:, 0, None, None] * size[0], columns - place[:, 1, None, None] * size[1]
    )
    numbers = rays[:, None, None]
    across = compute_turns(down, right).add_(0.5).mul_(numbers)
    ray = across.floor()
    across -= ray
    first = (ray.to(torch.int64) % numbers).flatten(1)
    second = (first + 1) % rays[:, None]
    one, other = (lengths.gather(1, which).view_as(across) for which in (first, second))
    length = (other - one).mul_(across).add_(one)
    ratio = length.div_((down * down).add_(right * right).add_(1e-4).sqrt_())
    return ratio, 1 - (across - 0.5).square_()


def _blend_with_white(images: Tensor, share: Tensor) -> Tensor:
    """uint8: images with `share`, float32 (B, H, W), over white."""
    return (255 - (255 - images.to(torch.float32)).mul_(share[:, None])).clamp_(0, 255).to(torch.uint8)
