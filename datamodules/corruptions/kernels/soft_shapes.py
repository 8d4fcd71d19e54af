"""Soft shapes, by which dust, drops, reflections and shadows are drawn at any size of the image.

Lengths are relative to the image's shorter side. Computations on pixels use sums, products, quotients, square roots and
maxima of float32, which all devices round equally; sines and exponentials come from tables. Divisors are tensors, since
some devices replace a division by a number with a product with its reciprocal.
"""

from collections.abc import Callable
from functools import lru_cache
from math import cos, pi, sin

import torch
from torch import Tensor

from datamodules.corruptions.kernels.random import draw_bits, draw_normals, draw_uniforms

DIRECTIONS = 4096
HIGHEST_STREAM = 1 << 10  # `draw_clusters` uses random streams beyond those of its callers


def draw_between(low: float, high: float, keys: Tensor, shape: tuple[int, ...], stream: int) -> Tensor:
    """float32 (B, *shape): uniform numbers between `low` and `high`; see `draw_bits`."""
    return draw_uniforms(keys, shape, stream).mul_(high - low).add_(low)


def draw_directions(keys: Tensor, shape: tuple[int, ...], stream: int) -> Tensor:
    """float32 (2, B, *shape): cosine and sine of uniform angles."""
    turns = draw_bits(keys, shape, stream).bitwise_right_shift_(4)
    return _make_circle(keys.device).index_select(1, turns.view(-1)).view(2, *turns.shape)


@lru_cache(maxsize=4)
def _make_circle(device: torch.device) -> Tensor:
    angles = [2 * pi * turn / DIRECTIONS for turn in range(DIRECTIONS)]
    return torch.tensor([[cos(angle) for angle in angles], [sin(angle) for angle in angles]]).to(device)


def make_grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """float32 (H, 1) and (1, W): coordinates of the pixels' centres from the image's centre, relative to the shorter side."""
    side = min(height, width)
    rows = (torch.arange(height, dtype=torch.float32, device=device) - (height - 1) / 2).mul_(1 / side)
    columns = (torch.arange(width, dtype=torch.float32, device=device) - (width - 1) / 2).mul_(1 / side)
    return rows[:, None], columns[None]


def smoothstep(field: Tensor, start: float | Tensor, end: float | Tensor) -> Tensor:
    """Smoothstep, a cubic function of the field: 0 up to `start`, 1 from `end` on."""
    position, width = field.sub(start), end - start
    position = position.div_(width) if isinstance(width, Tensor) else position.mul_(1 / width)
    position.clamp_(0, 1)
    return (3 - 2 * position).mul_(position).mul_(position)


def blend(images: Tensor, colour: float | Tensor, opacity: Tensor) -> Tensor:
    """Blend images with a layer (alpha blending), rounded to the nearest level.

    Args:
        images: uint8 (B, C, H, W), or float32 levels of that shape, which are overwritten.
        colour: of the layer in levels 0..255; a tensor broadcasts to the images.
        opacity: float32 in [0, 1], broadcasts to the images.

    Returns:
        uint8 (B, C, H, W).
    """
    levels = images.to(torch.float32)
    return levels.add_((colour - levels).mul_(opacity)).add_(0.5).clamp_(0, 255).to(torch.uint8)


def draw_clusters(keys: Tensor, count: int, clusters: int, spread: float, stream: int) -> Tensor:
    """Random places in clusters around uniformly distributed centres.

    Args:
        keys: int64 (B,).
        count: number of places in an image.
        clusters: number of clusters, to which places are assigned in turn.
        spread: standard deviation around the centre, relative to height and width.
        stream: index of the random field.

    Returns:
        float32 (B, count, 2): coordinates in [0, 1), relative to height and width.
    """
    middles = draw_between(0.1, 0.9, keys, (clusters, 2), stream)
    members = torch.arange(count, device=keys.device) % clusters
    away = draw_normals(keys, (count, 2), stream + HIGHEST_STREAM).mul_(spread)
    return middles.index_select(1, members).add_(away).clamp_(0, 0.999)


def render_maximum(
    size: tuple[int, int], places: Tensor, reach: int, value: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype
) -> Tensor:
    """Render small shapes and take the maximum of their values at each pixel, for any order of the shapes.

    Args:
        size: height and width of the field.
        places: float32 (B, N, 2), coordinates in [0, 1), relative to height and width.
        reach: radius of a shape, in pixels.
        value: maps rows (B, N, K, 1) and columns (B, N, 1, K) relative to the places, in pixels, to values (B, N, K, K),
            at least 0.
        dtype: of the values.

    Returns:
        (B, H, W) of `dtype`, 0 where there is no shape.
    """
    height, width = size
    reach += 1
    pitch = width + 2 * reach
    at = places * torch.tensor([height, width], dtype=torch.float32, device=places.device) - 0.5
    corner = at.floor()
    steps = torch.arange(-reach, reach + 1, device=places.device)
    rows = (steps - (at - corner)[..., :1])[..., None]
    columns = (steps - (at - corner)[..., 1:])[..., None, :]
    values = value(rows, columns).to(dtype)
    # Places lie up to half a pixel outside of the field; the frame receives values beyond the field.
    first = (corner[..., 0].long() + reach) * pitch + corner[..., 1].long() + reach
    index = first[..., None, None] + (steps[:, None] * pitch + steps)
    index.clamp_(0, (height + 2 * reach) * pitch - 1)
    field = torch.zeros((len(places), (height + 2 * reach) * pitch), dtype=dtype, device=places.device)
    field.scatter_reduce_(1, index.flatten(1), values.flatten(1), "amax")
    return field.view(-1, height + 2 * reach, pitch)[:, reach:-reach, reach:-reach]
