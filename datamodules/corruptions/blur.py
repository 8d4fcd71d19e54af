"""Blur corruptions."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import JSON, declare
from datamodules.corruptions.kernels.disc import count_disc_pixels, sum_softened_disc
from datamodules.corruptions.kernels.filters import (
    blur_levels,
    compute_motion_weights,
    look_up_motion_shifts,
    mirror,
    sum_shifted,
)
from datamodules.corruptions.kernels.random import draw_bits
from datamodules.corruptions.kernels.scramble import find_scan_sources
from datamodules.corruptions.kernels.zoom import average_zooms


class DefocusBlur(Corruption):
    """Mean over a disc with a softened rim, as a lens out of focus draws it (Hendrycks & Dietterich, ICLR 2019).

    The border is mirrored without repeating the edge. As in the reference, the disc is softened on a grid of 17 x 17 px
    (21 x 21 from radius 9 on) whose border is mirrored too: discs of radius 8 and 10 px fill that grid and become
    brighter by about 1 %.

    A mean over flat areas lies exactly on a level, where floating-point noise would decide between two levels, so all
    sums are integers: a disc is one horizontal run of pixels per row, its rim a 3 x 3 filter on the disc's sum. The
    weights of that filter are the reference's within 1e-4 (its 5 x 5 filter at radius 10 has .0003 at its ends).
    """

    name = "defocus_blur"
    family = "blur"
    per_channel = True
    exact = True
    severities = declare(radius=(3, 4, 6, 8, 10), softness=(0.1, 0.5, 0.5, 0.5, 0.5))
    """`softness` is the standard deviation of the rim's Gaussian filter; both in pixels."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, radius: int, softness: float) -> Tensor:
        pad = radius + 1
        padded = mirror(mirror(images, 2, pad), 3, pad)
        pitch = padded.shape[3]
        # Rows, channels and images lie end to end, so that a displacement in both directions is one offset and every
        # step below runs over contiguous memory. Values that cross a border lie in the padding, which is cropped.
        sums = sum_softened_disc(padded.to(torch.int16).view(-1), pitch, radius, softness)
        # Adding half a unit keeps every quotient at least 1 / 634 away from the next level, which exceeds rounding errors,
        # even where a device multiplies by the reciprocal.
        levels = sums.to(torch.float32).add_(0.5).div_(count_disc_pixels(radius)).clamp_(max=255)
        margin = pad * (pitch + 1)
        result = torch.empty_like(padded)
        result.view(-1)[margin : padded.numel() - margin] = levels.to(torch.uint8)
        return result[:, :, pad:-pad, pad:-pad].contiguous()


class GaussianBlur(Corruption):
    """Gaussian filter, cut at four standard deviations, edge repeated (Hendrycks & Dietterich, ICLR 2019).

    It computes in integers: sums agree with the reference within a few thousandths of a level, and are rounded down like
    it. One of the four corruptions of ImageNet-C that are meant for validation.
    """

    name = "gaussian_blur"
    family = "blur"
    exact = True
    severities = declare(sigma=(1, 2, 3, 4, 6))
    """Standard deviation, in pixels."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, sigma: int) -> Tensor:
        return blur_levels(images, sigma)


class GlassBlur(Corruption):
    """Frosted glass: blurred, every pixel replaced by a close one, blurred again (Hendrycks & Dietterich, ICLR 2019).

    As in the reference, pixels are copied rather than swapped (see `find_scan_sources`), offsets are biased up and to the
    left, a border is unchanged, and levels are rounded down between the steps. All channels of an image move together.
    """

    name = "glass_blur"
    family = "blur"
    exact = True
    severities = declare(
        sigma=(0.7, 0.9, 1, 1.1, 1.5),
        reach=(1, 2, 2, 3, 4),
        scans=(2, 1, 3, 2, 2),
    )
    """Standard deviation of both Gaussian filters, largest offset (both in pixels), and number of scans."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, sigma: float, reach: int, scans: int) -> Tensor:
        sources = find_scan_sources(keys, images.shape[2], images.shape[3], reach, scans)
        blurred = blur_levels(images, sigma)
        pixels, channels = sources.shape[1], images.shape[1]
        planes = torch.arange(0, len(images) * channels * pixels, pixels, dtype=torch.int32, device=images.device)
        places = sources[:, None] + planes.view(-1, channels, 1)
        moved = blurred.view(-1).index_select(0, places.view(-1)).view(images.shape)
        return blur_levels(moved, sigma)


class MotionBlur(Corruption):
    """The camera moves along a line, within 45 degrees of the horizontal (Hendrycks & Dietterich, ICLR 2019).

    As in the reference, the weights fall off to one side: the image moves to the left, and up for positive angles. The
    edge is repeated; a step that leaves the image ends the motion, and the remaining weights are not renormalised.
    """

    name = "motion_blur"
    family = "blur"
    exact = True
    severities = declare(radius=(10, 15, 15, 15, 20), sigma=(3, 5, 8, 12, 15))
    """Half the length of the line and standard deviation of the weights, in pixels."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, radius: int, sigma: int) -> Tensor:
        shifts = look_up_motion_shifts(draw_bits(keys, (1,)).view(-1), radius, -45, 45)
        weights = _round_weights(compute_motion_weights(radius, sigma))
        moved = sum_shifted(images.to(torch.int32), shifts[:, : len(weights)].contiguous(), weights)
        return moved.bitwise_right_shift_(FINE).to(torch.uint8)


FINE = 22  # integer weights of a motion add up to 2 ** FINE; 255 times that fits 31 bits


@lru_cache(maxsize=16)
def _round_weights(weights: tuple[float, ...]) -> tuple[int, ...]:
    """Integer weights in the same proportions, without trailing zeros; the rounding error is added to the largest."""
    rounded = [weight for weight in (round(weight * (1 << FINE)) for weight in weights) if weight]
    return (rounded[0] + (1 << FINE) - sum(rounded), *rounded[1:])


TOGETHER = 12  # channels that are zoomed together on a CPU


class ZoomBlur(Corruption):
    """The lens zooms in while the shutter is open: a mean over magnifications (Hendrycks & Dietterich, ICLR 2019).

    As in the reference, the image itself counts twice (as it is and at magnification 1), and the magnifications are
    those of a floating-point range that overshoots its end: twelve at severity 1. Magnified images are cropped to their
    top left part, not to their middle.
    """

    name = "zoom_blur"
    family = "blur"
    in_chunks = False
    severities = declare(
        magnifications=tuple(
            tuple(np.arange(1, end, step).tolist())
            for end, step in ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))
        )
    )

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, magnifications: tuple[float, ...]) -> Tensor:
        group = max(1, TOGETHER // images.shape[1]) if images.device.type == "cpu" else len(images)
        return torch.cat([average_zooms(some, magnifications[1:]) for some in images.split(group)])

    @override
    def describe_parameters(self, severity: int) -> dict[str, JSON]:
        # Rounded, since the values of a floating-point range deviate from hundredths in the last digits.
        return {"magnifications": [round(factor, 2) for factor in self.look_up(severity)["magnifications"]]}
