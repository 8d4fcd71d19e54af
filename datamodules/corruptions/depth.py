"""Fog and defocus by the depth of each pixel.

After the 3D Common Corruptions of Kar, Yeo, Atanov & Zamir, "3D Common Corruptions and Data Augmentation" (CVPR 2022), by their
names. The depth is a target of the data, float32 (B, H, W) in metres. Where it is not known (NaN, infinite, zero or negative),
as in the sky, the scene is infinitely far.
"""

from itertools import pairwise

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.disc import average_disc


def fill_unknown(depth: Tensor) -> Tensor:
    """A depth of any shape, infinite where it is not known."""
    return torch.where(depth.isfinite() & (depth > 0), depth, torch.inf)


class Fog3D(Corruption):
    """Homogeneous fog: light of the scene is lost, and light of the fog is added, with the distance (Koschmieder, 1924).

    An image I at depth z becomes I t + A (1 - t) with the transmission t = exp(-extinction z). As in Kar et al. (CVPR 2022),
    A is grey, the mean level of the image over all channels, so that its brightness stays. Their extinctions 4, 8, 12, 16
    and 20 are for depths in units of 8000 / 512 m, as Taskonomy stores them: rooms of a few metres. Fog in a street is
    thinner by a factor of 50: Foggy Cityscapes (Sakaridis, Dai & Van Gool, IJCV 2018) has 0.005 to 0.02 per metre. They put
    pixels of unknown depth at the largest that is known, here they are infinitely far; levels are rounded to the nearest.
    """

    name = "fog_3d"
    family = "weather"
    needs = ("depth",)
    severities = declare(extinction=(0.256, 0.512, 0.768, 1.024, 1.28))
    """In 1 / m."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, depth: Tensor, extinction: float) -> Tensor:
        transmission = fill_unknown(depth).mul_(-extinction).exp_()[:, None]
        levels = images[0].numel()
        fog = images.sum((1, 2, 3), keepdim=True, dtype=torch.int64).to(torch.float64).div_(levels).to(torch.float32)
        return (images - fog).mul_(transmission).add_(fog).add_(0.5).clamp_(0, 255).to(torch.uint8)


LAYERS = (0, 1, 2, 4, 8, 16)
"""Radii in pixels for which an image is blurred; those of pixels lie between two of them."""


class Focus3D(Corruption):
    """Base of a lens that is focused on one depth: all others are blurred by a disc, their circle of confusion.

    A pixel at depth z has a disc of radius ``aperture`` |1 - f / z|, hence proportional to |1 / z - 1 / f|, with f the depth
    that is in focus: a quantile of the known depths of each image, one of its pixels. It is relative, so the unit of depth does
    not matter. The image is blurred as a whole for each radius of `LAYERS`, and pixels lie linearly between the two next to
    theirs, up to the largest: as in Kar et al. (CVPR 2022), what is in focus leaks into the blur beside it, but not the other
    way round. They blend Gaussian filters at eight quantiles of depth, whose standard deviations s are here discs of radius
    2 s, which spread as far. An image of one depth is sharp.
    """

    family = "blur"
    needs = ("depth",)
    quantile: float
    """Of the known depths, that is in focus."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, depth: Tensor, aperture: float) -> Tensor:
        inverse = fill_unknown(depth).reciprocal_()
        focus = _find_quantile(inverse, self.quantile)[:, None, None]
        radius = (1 - inverse / focus).abs_().mul_(aperture).nan_to_num_(0)[:, None].clamp_(max=LAYERS[-1])
        result = images.to(torch.float32)
        before = result
        for low, high in pairwise(LAYERS):
            after = average_disc(images, high)
            share = (radius - low).div_(high - low).clamp_(0, 1)
            result = torch.where(radius > low, before + (after - before) * share, result)
            before = after
        return result.add_(0.5).clamp_(0, 255).to(torch.uint8)


def _find_quantile(inverse: Tensor, quantile: float) -> Tensor:
    """Inverse of a quantile of the known depths, (B,), which one of the pixels has; 0 where none is known.

    Args:
        inverse: depths (B, H, W), 0 where not known.
        quantile: 0 for the nearest, 1 for the farthest.
    """
    nearest_first = inverse.flatten(1).sort(1, descending=True).values
    known = (nearest_first > 0).sum(1, keepdim=True)
    place = (known - 1).clamp_(min=0).to(torch.float64).mul_(quantile).to(torch.int64)
    return nearest_first.gather(1, place)[:, 0]


class NearFocus(Focus3D):
    """Focus on what is near: the background is blurred (Kar et al., CVPR 2022).

    An eighth of the pixels is nearer than the depth in focus. They focus on the nearest pixel, which in a measured depth is
    often a false one.
    """

    name = "near_focus"
    quantile = 1 / 8
    severities = declare(aperture=(6.0, 8.0, 10.0, 12.0, 14.0))
    """Radius of the disc of what is infinitely far, in pixels."""


class FarFocus(Focus3D):
    """Focus on what is far, at 7 / 8 of the depths: the foreground is blurred (Kar et al., CVPR 2022)."""

    name = "far_focus"
    quantile = 7 / 8
    severities = declare(aperture=(3.0, 5.0, 7.0, 9.0, 11.0))
    """Radius of the disc at half the depth that is in focus, in pixels."""
