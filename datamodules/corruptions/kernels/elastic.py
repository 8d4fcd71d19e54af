"""Elastic warping: smooth random displacement fields, and the warping of images by them."""

from functools import lru_cache
from math import sqrt

import torch
from torch import Tensor

from datamodules.corruptions.kernels.random import draw_bits

SIGMA_RATIO = 0.01  # standard deviation of the smoothing filter, relative to the side
AMPLITUDE_RATIO = 0.005  # largest displacement before smoothing and before alpha, relative to the height
LATTICE = 128  # largest number of random draws along a side
WEIGHTS = 16  # the weights of the filter add up to about 2 ** WEIGHTS
STRIPS = 8  # of the output, each smoothed from the draws around it
POINT = 8  # bits of a coordinate behind the point


def draw_displacement(keys: Tensor, height: int, width: int, alpha: float) -> Tensor:
    """Smooth random displacements, as `imagecorruptions` (Michaelis et al., 2019) draws them for its elastic transform.

    Each pixel has two numbers, one for each direction, uniform within 0.5 % of the *height* (both). They are smoothed by a
    Gaussian filter of 1 % of each side, truncated at three standard deviations and mirrored at the border, and multiplied
    by `alpha`.

    Along a side of more than 128 px that filter is so wide that neighbours are almost equal: there the numbers are drawn
    on a lattice of 128, which is still finer than the filter, and weighted for the same variance and covariance. Up to
    128 px there is a number for every pixel, as in the reference.

    Args:
        keys: int64 (B,), one per image.
        height: of the images, in pixels.
        width: of the images, in pixels.
        alpha: factor on the smoothed field.

    Returns:
        float32 (B, 2, height, width): displacements in pixels: downwards, then to the right.
    """
    rows, columns = min(height, LATTICE), min(width, LATTICE)
    # Integer draws and integer weights: every sum stays below 2 ** 53, so it is exact in float64 and the field is the same
    # for any order of summation, hence in any batch and on any device.
    draws = draw_bits(keys, (2, rows, columns)).mul_(2).sub_(0xFFFF)
    fields = draws.to(torch.float64).view(-1, rows, columns)
    smoothed = smooth(smooth(fields.mT, width).mT, height)
    thinning = sqrt(rows / height * columns / width)
    scale = alpha * AMPLITUDE_RATIO * height * thinning * 2.0 ** -(16 + 2 * WEIGHTS)
    return smoothed.mul(scale).to(torch.float32).view(-1, 2, height, width)


def warp(images: Tensor, displacement: Tensor) -> Tensor:
    """Warp images: each pixel takes the level at `displacement` from it, bilinearly interpolated and rounded down.

    The border is mirrored with its edge repeated. Coordinates are rounded to 1/256 px; all further arithmetic is integer.

    Args:
        images: uint8 (B, C, H, W).
        displacement: float32 (B, 2, H, W), in pixels: downwards, then to the right.

    Returns:
        uint8 (B, C, H, W).
    """
    batch, channels, height, width = images.shape
    squares, pitch = _pack_squares(images)
    row = _mirror_coordinate(displacement[:, 0], torch.arange(height, device=images.device)[:, None], height)
    column = _mirror_coordinate(displacement[:, 1], torch.arange(width, device=images.device), width)
    places = (row >> POINT).mul_(pitch).add_(column >> POINT)
    planes = torch.arange(batch * channels, dtype=torch.int32, device=images.device) * ((height + 2) * pitch)
    indices = places[:, None] + planes.view(batch, channels, 1, 1)
    levels = squares.index_select(0, indices.view(-1)).view(images.shape)
    ones = (1 << POINT) - 1
    return _interpolate(levels, row.bitwise_and_(ones)[:, None], column.bitwise_and_(ones)[:, None])


def smooth(fields: Tensor, side: int) -> Tensor:
    """float64 (F, side, M): `fields`, float64 (F, N, M), upsampled to `side` and smoothed along that dimension."""
    places, weights = _make_filter(fields.shape[1], side, fields.device)
    strips = fields.index_select(1, places.view(-1)).view(len(fields), *places.shape, fields.shape[2])
    return torch.matmul(weights, strips).flatten(1, 2)[:, :side]


@lru_cache(maxsize=32)
def _make_filter(count: int, side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The smoothing filter from `count` draws to `side` pixels, in strips.

    Returns:
        int64 (STRIPS, K), the draws that each strip needs, and float64 (STRIPS, ceil(side / STRIPS), K), their integer
        weights at each pixel of the strip.
    """
    deviation = SIGMA_RATIO * count
    reach = int(3 * deviation + 0.5)
    pixels = (torch.arange(side, dtype=torch.float64) + 0.5) * (count / side) - 0.5
    draws = torch.arange(-reach - 1, count + reach + 1)
    distance = draws - pixels[:, None]
    gaussian = torch.exp(-0.5 * (distance / deviation).square()).masked_fill_(distance.abs() > reach, 0)
    mirrored = torch.where(draws < 0, -1 - draws, torch.where(draws < count, draws, 2 * count - 1 - draws))
    filters = torch.zeros(side, count, dtype=torch.float64).index_add_(1, mirrored, gaussian)
    filters = (filters / filters.sum(1, keepdim=True) * (1 << WEIGHTS)).round_()

    strips = torch.nn.functional.pad(filters, (0, 0, 0, -side % STRIPS)).view(STRIPS, -1, count)
    used = strips.amax(1) > 0
    first = used.int().argmax(1)
    width = int((count - used.flip(1).int().argmax(1) - first).max())
    places = first.clamp_(max=count - width)[:, None] + torch.arange(width)
    weights = strips.gather(2, places[:, None].expand(-1, strips.shape[1], -1))
    return places.to(device), weights.to(device)


def _mirror_coordinate(displacement: Tensor, start: Tensor, side: int) -> Tensor:
    """int32 (B, H, W): source coordinate of each pixel in the image padded by one, with POINT fractional bits.

    `start` is int64 and broadcasts. Beyond the border the coordinate is mirrored once, about the outer edge of the border
    pixels; coordinates further out are clamped to the border.
    """
    end, half = side << POINT, 1 << (POINT - 1)
    steps = displacement.mul(1 << POINT).round_().to(torch.int32).add_((start.to(torch.int32) << POINT) + half)
    return steps.abs_().sub_(end).abs_().neg_().add_(end).clamp_(min=0).add_(half)


def _pack_squares(images: Tensor) -> tuple[Tensor, int]:
    """Pack four neighbours into one word, so that bilinear interpolation needs one gather instead of four.

    Returns:
        int32 (N,): planes end to end, each of (H + 2) rows, the image padded by one pixel on all sides; the bytes of a
        word are, from the lowest, a pixel, its right neighbour and the two below. And the length of a row, W + 2.
    """
    batch, channels, height, width = images.shape
    padded = torch.empty((batch * channels, height + 2, width + 2), dtype=torch.int32, device=images.device)
    padded[:, 1:-1, 1:-1] = images.view(-1, height, width)
    padded[:, 1:-1, 0], padded[:, 1:-1, -1] = padded[:, 1:-1, 1], padded[:, 1:-1, -2]
    padded[:, 0], padded[:, -1] = padded[:, 1], padded[:, -2]
    levels, pitch = padded.view(-1), width + 2
    pairs = torch.add(levels[:-1], levels[1:], alpha=1 << 8)
    return torch.add(pairs[:-pitch], pairs[pitch:], alpha=1 << 16), pitch


def _interpolate(squares: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """uint8, of the shape of `squares`: levels between four neighbours, rounded down; see `_pack_squares`.

    Args:
        squares: int32, overwritten.
        down: int32, weight of the lower two, out of 256; broadcasts.
        right: int32, weight of the right two, out of 256; broadcasts.
    """
    # Upper and lower row share a word, 16 bits each: a weighted level is at most 255 * 256 and fits its half. The borrow of
    # a negative difference from the upper half is cancelled when the level is added.
    lanes = (squares >> 8).bitwise_and_(0x00FF00FF)
    squares &= 0x00FF00FF
    lanes.sub_(squares).mul_(right).add_(squares, alpha=256)
    torch.bitwise_and(lanes, 0xFFFF, out=squares)
    lanes.bitwise_right_shift_(16).bitwise_and_(0xFFFF).sub_(squares).mul_(down).add_(squares, alpha=256)
    return lanes.bitwise_right_shift_(16).to(torch.uint8)
