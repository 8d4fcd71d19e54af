"""Filters that several families share: Gaussian, motion and zoom, on fields of floats."""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, exp
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from datamodules.corruptions.kernels.row_sums import sum_rows

Border = Literal["replicate", "reflect"]


def gaussian_filter(
    fields: Tensor, sigma: float | tuple[float, float], truncate: float = 4.0, border: Border = "replicate"
) -> Tensor:
    """Gaussian filter, rows then columns.

    Args:
        fields: float32 (..., H, W).
        sigma: standard deviation in pixels, or one for rows and one for columns.
        truncate: radius of the filter in standard deviations.
        border: padding: "replicate" repeats the edge, "reflect" mirrors the field with the edge repeated.

    Returns:
        float32 (..., H, W).
    """
    sigmas = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    for dimension, one in zip((-2, -1), sigmas, strict=True):
        weights = compute_gaussian_weights(one, int(truncate * one + 0.5))
        fields = _correlate(fields, dimension, weights, border)
    return fields


@lru_cache(maxsize=32)
def compute_gaussian_weights(sigma: float, radius: int) -> tuple[float, ...]:
    """Weights from the centre outwards; the centre and twice the others add up to 1."""
    half = [exp(-0.5 * (step / sigma) ** 2) for step in range(radius + 1)] if radius else [1.0]
    total = 2 * sum(half) - half[0]
    return tuple(weight / total for weight in half)


def _correlate(fields: Tensor, dimension: int, weights: tuple[float, ...], border: Border) -> Tensor:
    places = _index_padded(fields.shape[dimension], len(weights) - 1, border, fields.device)
    return _sum_weighted(fields.index_select(dimension, places), dimension, weights)


def _sum_weighted(padded: Tensor, dimension: int, weights: Sequence[float]) -> Tensor:
    """Weighted sum of a padded field over shifts in both directions; `weights` from the centre outwards."""
    radius = len(weights) - 1
    length = padded.shape[dimension] - 2 * radius
    result = padded.narrow(dimension, radius, length) * weights[0]
    for step in range(1, radius + 1):
        for place in (radius - step, radius + step):
            result.add_(padded.narrow(dimension, place, length), alpha=weights[step])
    return result


@lru_cache(maxsize=64)
def _index_padded(length: int, pad: int, border: Border, device: torch.device) -> Tensor:
    """int64 (length + 2 pad,): source index of each position of a padded line."""
    places = torch.arange(-pad, length + pad)
    if border == "replicate":
        return places.clamp_(0, length - 1).to(device)
    places = places.remainder(2 * length)
    return torch.minimum(places, 2 * length - 1 - places).to(device)


FINE = 14  # integer weights of a Gaussian add up to 2 ** FINE


def blur_levels(images: Tensor, sigma: float) -> Tensor:
    """Gaussian filter of 8-bit levels, cut at 4 `sigma`, edge repeated, rounded down; in integers.

    Args:
        images: uint8 (B, C, H, W).
        sigma: standard deviation in pixels.

    Returns:
        uint8 (B, C, H, W).
    """
    height, width = images.shape[2:]
    weights = _round_weights(sigma, int(4 * sigma + 0.5))
    radius = len(weights) - 1
    levels = images.reshape(-1, width).to(torch.float32)
    window, line = _make_window(height, weights, images.device)
    tops = torch.arange(0, len(levels), height, dtype=torch.int32, device=images.device)
    places = (tops[:, None, None] + window).flatten(0, 1)
    # Integers below 2 ** 22 are exact in float32. Between the passes levels have 8 fractional bits: 30 bits with the weights.
    sums = sum_rows(levels, places, line.expand(len(places), -1).contiguous())
    padded = torch.empty((len(sums), width + 2 * radius), dtype=torch.int32, device=images.device)
    middle = padded.narrow(1, radius, width).copy_(sums.mul_(2.0 ** (8 - FINE)).add_(0.5))
    padded[:, :radius] = middle[:, :1]
    padded[:, radius + width :] = middle[:, -1:]
    return _sum_weighted(padded, 1, weights).bitwise_right_shift_(FINE + 8).to(torch.uint8).view(images.shape)


@lru_cache(maxsize=64)
def _make_window(length: int, weights: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """int32 (length, T): indices of the neighbours of each position, the edge repeated; float32 (T,): their weights."""
    around = len(weights) - 1
    places = _index_padded(length, around, "replicate", torch.device("cpu")).unfold(0, 2 * around + 1, 1)
    line = torch.tensor([*weights[:0:-1], *weights], dtype=torch.float32)
    return places.to(torch.int32).to(device), line.to(device)


@lru_cache(maxsize=32)
def _round_weights(sigma: float, radius: int) -> tuple[int, ...]:
    """`compute_gaussian_weights` in units of 2 ** -FINE; the error goes to the middle, so that flat areas keep their level."""
    _, *sides = (round(weight * (1 << FINE)) for weight in compute_gaussian_weights(sigma, radius))
    return ((1 << FINE) - 2 * sum(sides), *sides)


def apply_motion_filter(fields: Tensor, radius: int, sigma: float, words: Tensor, low: float, high: float) -> Tensor:
    """One-sided blur along a line (see `MotionBlur`), its angle drawn for each image.

    Args:
        fields: float32 (B, C, H, W).
        radius: half the length of the line, in pixels.
        sigma: standard deviation of the weights, in pixels.
        words: int32 (B,), 0..65535; see `look_up_motion_shifts`.
        low: smallest angle, in degrees.
        high: largest angle, in degrees.

    Returns:
        float32 (B, C, H, W).
    """
    return sum_shifted(fields, look_up_motion_shifts(words, radius, low, high), compute_motion_weights(radius, sigma))


@lru_cache(maxsize=32)
def compute_motion_weights(radius: int, sigma: float) -> tuple[float, ...]:
    """Weight of each of the 2 * radius + 1 steps of a motion; they add up to 1."""
    weights = [exp(-0.5 * (step / sigma) ** 2) for step in range(2 * radius + 1)]
    return tuple(weight / sum(weights) for weight in weights)


def look_up_motion_shifts(words: Tensor, radius: int, low: float, high: float) -> Tensor:
    """int32 (B, 2 * radius + 1, 2): source offsets (rows, columns) of each step of a motion, for random angles.

    The angle grows linearly from `low` at the word 0 to `high` at 65536. Angles turn the motion from the left upwards.
    """
    return _make_shift_table(radius, low, high, words.device).index_select(0, words).to(torch.int32)


@lru_cache(maxsize=16)
def _make_shift_table(radius: int, low: float, high: float, device: torch.device) -> Tensor:
    """int8 (65536, steps, 2): offsets for each word; computed on the CPU, since devices round sines differently."""
    fractions = (torch.arange(1 << 16, dtype=torch.float64) + 0.5) / (1 << 16)
    angles = torch.deg2rad(low + (high - low) * fractions)[:, None]
    steps = torch.arange(2 * radius + 1, dtype=torch.float64)
    moved = torch.stack((steps * torch.sin(angles), steps * torch.cos(angles)), 2)
    return (moved - 0.5).ceil_().to(torch.int8).to(device)


def sum_shifted(fields: Tensor, shifts: Tensor, weights: Sequence[float]) -> Tensor:
    """Weighted sum of shifted fields, whose edges are repeated.

    Args:
        fields: (B, C, H, W), int32 or float32.
        shifts: int32 (B, steps, 2), source offsets (rows, columns) of each step, below 64 in either direction. A step that
            leaves the image ends the sum.
        weights: of the steps.

    Returns:
        (B, C, H, W) of the type of `fields`.
    """
    height, width = fields.shape[2:]
    pad = len(weights) - 1
    padded = _pad_edges(fields, pad)
    if fields.device.type == "cpu":
        result = torch.zeros_like(fields)
        for image, (source, moves) in enumerate(zip(padded, shifts.tolist(), strict=True)):
            for weight, (row, column) in zip(weights, moves, strict=True):
                if abs(row) >= height or abs(column) >= width:
                    break
                top, left = pad + row, pad + column
                result[image].add_(source[:, top : top + height, left : left + width], alpha=weight)
        return result
    return _sum_shifted_by_gather(padded, shifts, weights, pad, (height, width))


def _pad_edges(fields: Tensor, pad: int) -> Tensor:
    """`fields` with their edge repeated by `pad` on all sides."""
    height, width = fields.shape[2:]
    framed = fields.new_empty((*fields.shape[:2], height + 2 * pad, width + 2 * pad))
    rows = framed.narrow(2, pad, height)
    rows.narrow(3, pad, width).copy_(fields)
    rows[..., :pad] = fields[..., :1]
    rows[..., pad + width :] = fields[..., -1:]
    framed[:, :, :pad] = rows[:, :, :1]
    framed[:, :, pad + height :] = rows[:, :, -1:]
    return framed


def _sum_shifted_by_gather(
    padded: Tensor, shifts: Tensor, weights: Sequence[float], pad: int, size: tuple[int, int]
) -> Tensor:
    """`sum_shifted` without a loop over images, which would be slow on other devices than a CPU."""
    (height, width), pitch = size, padded.shape[3]
    rows = torch.arange(pad, pad + height, device=padded.device)[:, None] * pitch
    places = rows + torch.arange(pad, pad + width, device=padded.device)
    flat = padded.flatten(2)
    limits = torch.tensor([height, width], device=padded.device)
    stays = (shifts.abs() < limits).all(2).cumprod(1).to(padded.dtype)
    result = padded.new_zeros((*padded.shape[:2], height, width))
    for step, weight in enumerate(weights):
        offsets = shifts[:, step, 0].long() * pitch + shifts[:, step, 1]
        index = (places + offsets[:, None, None]).flatten(1)[:, None].expand(-1, flat.shape[1], -1)
        moved = flat.gather(2, index.clamp(0, flat.shape[2] - 1)).view_as(result)
        result += moved * (stays[:, step, None, None, None] * weight)
    return result


def clipped_zoom(fields: Tensor, factor: float) -> Tensor:
    """Magnify the centre of fields to at least their size, without trimming the result.

    Equals ``scipy.ndimage.zoom`` of first order on a crop: bilinear, corners aligned. Where rounding errors put its last
    row or column beyond the crop, as for 71 px and a factor of 1.21, that row or column is 0, as in scipy.

    Args:
        fields: float32 (B, C, H, W).
        factor: magnification, at least 1.

    Returns:
        float32 (B, C, H' >= H, W' >= W).
    """
    crops = [ceil(length / factor) for length in fields.shape[2:]]
    top, left = ((length - crop) // 2 for length, crop in zip(fields.shape[2:], crops, strict=True))
    middle = fields[:, :, top : top + crops[0], left : left + crops[1]]
    sizes = [round(crop * factor) for crop in crops]
    zoomed = functional.interpolate(middle, size=sizes, mode="bilinear", align_corners=True)
    for dimension, crop, size in zip((2, 3), crops, sizes, strict=True):
        if (size - 1) * ((crop - 1) / (size - 1)) > crop - 1:
            zoomed.narrow(dimension, size - 1, 1).zero_()
    return zoomed


def mirror(images: Tensor, dimension: int, pad: int) -> Tensor:
    """`images` padded by `pad` on both ends of a dimension, mirrored without repeating the edge."""
    before = images.narrow(dimension, 1, pad).flip(dimension)
    after = images.narrow(dimension, images.shape[dimension] - pad - 1, pad).flip(dimension)
    return torch.cat((before, images, after), dimension)
