"""Operations that move pixels, as matrices, and the warp of images and targets by them.

A matrix (2, 3) maps a place (x, y, 1) of the result to the place in the image that it shows, in pixels from the upper left
corner, as in Pillow: the centre of the first pixel is at (0.5, 0.5). Shears keep the upper left corner, rotations the
centre. Images are interpolated bilinearly, targets by the nearest pixel at the same places, so that neither a class nor a
number arises that the data do not have. Vectors of a target, such as normals, are moved but not turned.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.labels import IGNORED


def make_rotation(degrees: Tensor, height: int, width: int) -> Tensor:
    """About the centre, counter-clockwise."""
    angle = degrees.deg2rad()
    cosine, sine = angle.cos(), angle.sin()
    x, y = width / 2, height / 2
    first = torch.stack((cosine, -sine, x - cosine * x + sine * y), -1)
    second = torch.stack((sine, cosine, y - sine * x - cosine * y), -1)
    return torch.stack((first, second), -2)


def make_shear_x(slope: Tensor, height: int, width: int) -> Tensor:
    """Each row along itself, by `slope` pixels for each row below the first."""
    return _make_matrix(slope, (0, 1))


def make_shear_y(slope: Tensor, height: int, width: int) -> Tensor:
    """Each column along itself, by `slope` pixels for each column right of the first."""
    return _make_matrix(slope, (1, 0))


def make_translation_x(share: Tensor, height: int, width: int) -> Tensor:
    """By a share of the width, in whole pixels."""
    return _make_matrix((share * width).round(), (0, 2))


def make_translation_y(share: Tensor, height: int, width: int) -> Tensor:
    """By a share of the height, in whole pixels."""
    return _make_matrix((share * height).round(), (1, 2))


def _make_matrix(entry: Tensor, place: tuple[int, int]) -> Tensor:
    """Identities with one entry (n,) of their own."""
    matrix = torch.eye(2, 3).repeat(len(entry), 1, 1)
    matrix[:, place[0], place[1]] = entry
    return matrix


class Warp(NamedTuple):
    """Places that the pixels of the result show, in pixels: `x` and `y`, (n, H, W) each, and whether they lie `inside`."""

    x: Tensor
    y: Tensor
    inside: Tensor


def make_warp(matrix: Tensor, height: int, width: int) -> Warp:
    """The warp by matrices (n, 2, 3), on their device. Products of single numbers: autocast would round a matrix product."""
    x = torch.arange(width, device=matrix.device) + 0.5
    y = torch.arange(height, device=matrix.device)[:, None] + 0.5
    across, down = (
        (matrix[:, row, 0, None, None] * x + matrix[:, row, 1, None, None] * y + matrix[:, row, 2, None, None])
        for row in (0, 1)
    )
    inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    return Warp(across, down, inside)


def warp_image(image: Tensor, warp: Warp) -> Tensor:
    """Images (n, C, H, W), bilinear, black outside; the border is not blended with what lies outside."""
    height, width = image.shape[2:]
    grid = torch.stack((warp.x * (2 / width) - 1, warp.y * (2 / height) - 1), -1).to(image.dtype)
    found = F.grid_sample(image, grid, padding_mode="border", align_corners=False)
    return found.masked_fill_(~warp.inside[:, None], 0)


def warp_target(value: Tensor, warp: Warp) -> Tensor:
    """Targets (n, H, W) or (n, H, W, N), by the nearest pixel; outside NaN for numbers, `IGNORED` for classes."""
    height, width = value.shape[1:3]
    row, column = warp.y.long().clamp_(0, height - 1), warp.x.long().clamp_(0, width - 1)
    images = torch.arange(len(value), device=value.device)[:, None, None]
    found = value[images, row, column]
    outside = ~warp.inside.view(*warp.inside.shape, *(1,) * (value.ndim - 3))
    return found.masked_fill_(outside, torch.nan if value.is_floating_point() else IGNORED)
