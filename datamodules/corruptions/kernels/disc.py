"""Sums over discs with a softened rim, in integers."""

from math import exp, isqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from datamodules.corruptions.kernels.filters import mirror

ONE = 14  # the integer weights of the softened rim add up to 2 ** ONE


def sum_softened_disc(flat: Tensor, pitch: int, radius: int, sigma: float) -> Tensor:
    """Sums over a disc with a softened rim around each pixel, rounded down.

    Args:
        flat: int16 (N,), levels 0..255, rows end to end.
        pitch: length of a row.
        radius: of the disc, in pixels.
        sigma: standard deviation of the rim's filter, in pixels.

    Returns:
        int32 (N - 2 M,), for the positions at least M = (radius + 1) * (pitch + 1) away from both ends.
    """
    corner, edge, centre = _compute_rim_weights(sigma)
    margin = (radius + 1) * (pitch + 1)
    disc, inner = _sum_disc(flat, pitch, radius), margin - pitch - 1
    if not edge:
        return _shift(disc, inner, 0, margin).clone()
    beside = _shift(disc, inner, 1, inner + 1) + _shift(disc, inner, -1, inner + 1)
    edges = _sum_shifts(disc, inner, pitch, margin) + _shift(beside, inner + 1, 0, margin)
    corners = _sum_shifts(beside, inner + 1, pitch, margin)
    if radius in (8, 10):  # the disc touches the border of the grid on which the reference softens it
        rows = _compute_mirror_excess(flat, 1, pitch, radius, margin - 1)
        columns = _compute_mirror_excess(flat, pitch, 1, radius, margin - pitch)
        edges += _shift(rows, margin - 1, 0, margin) + _shift(columns, margin - pitch, 0, margin)
        corners += _sum_shifts(rows, margin - 1, 1, margin) + _sum_shifts(columns, margin - pitch, pitch, margin)
    sums = _shift(disc, inner, 0, margin) * centre
    return sums.add_(edges, alpha=edge).add_(corners, alpha=corner).bitwise_right_shift_(ONE)


def _sum_disc(flat: Tensor, pitch: int, radius: int) -> Tensor:
    """int32: sums over the disc, for the positions at least radius * (pitch + 1) away from both ends."""
    margin = radius * (pitch + 1)
    run = flat[radius:-radius].clone()  # sums over growing horizontal runs
    # Each half of the disc is summed in 16 bits, which hold its sum and take half the time of 32 bits.
    above, below = (run.new_zeros(flat.numel() - 2 * margin) for _ in range(2))
    for half in range(radius + 1):
        if half:
            run += _shift(flat, 0, half, radius)
            run += _shift(flat, 0, -half, radius)
        for row in range(radius + 1):
            if isqrt(radius**2 - row**2) == half:
                below += _shift(run, radius, row * pitch, margin)
                if row:
                    above += _shift(run, radius, -row * pitch, margin)
    total = below.to(torch.int32).bitwise_and_(0xFFFF)
    return total.add_(above.to(torch.int32).bitwise_and_(0xFFFF))


def _compute_mirror_excess(flat: Tensor, along: int, across: int, radius: int, margin: int) -> Tensor:
    """int16: what mirroring at the border of the grid adds to the softened disc, in units of the filter's edge weight.

    At the border the reference mirrors the second row of the disc (a run) beyond its outermost row (one pixel), where the
    softened disc would have zeros, and the part beyond the grid is lost. Likewise for columns, with `along` and `across`
    exchanged.
    """
    half = isqrt(2 * radius - 1)
    run = _shift(flat, 0, 0, half * along).clone()
    for step in range(1, half + 1):
        run += _sum_shifts(flat, 0, step * along, half * along)
    return _sum_shifts(run, half * along, radius * across, margin) - _sum_shifts(flat, 0, (radius + 1) * across, margin)


def _shift(field: Tensor, margin: int, offset: int, wanted: int) -> Tensor:
    """Values of `field`, whose margin is `margin`, at `offset` from the positions with a margin of `wanted`."""
    inset = wanted - margin
    return field[inset + offset : field.numel() - inset + offset]


def _sum_shifts(field: Tensor, margin: int, offset: int, wanted: int) -> Tensor:
    return _shift(field, margin, offset, wanted) + _shift(field, margin, -offset, wanted)


def _compute_rim_weights(sigma: float) -> tuple[int, int, int]:
    """Corner, edge and centre of the 3 x 3 Gaussian filter; four, four and one of them add up to 2 ** ONE."""
    side = exp(-0.5 / sigma**2)
    unit = (1 << ONE) / (1 + 2 * side) ** 2
    corner, edge = round(side * side * unit), round(side * unit)
    return corner, edge, (1 << ONE) - 4 * (corner + edge)


def count_disc_pixels(radius: int) -> int:
    """Pixels of a disc."""
    return sum(2 * isqrt(radius**2 - row**2) + 1 for row in range(-radius, radius + 1))


def average_disc(levels: Tensor, radius: int) -> Tensor:
    """Mean over a sharp disc around each pixel, the border mirrored without repeating the edge.

    Args:
        levels: uint8 (B, C, H, W), H and W above `radius`.
        radius: of the disc, in pixels; any, unlike those of `sum_softened_disc`, whose sums have 16 bits.

    Returns:
        float32 (B, C, H, W), of exact sums.
    """
    height, width = levels.shape[2:]
    padded = mirror(mirror(levels, 2, radius), 3, radius)
    sums = F.pad(padded.cumsum(3, dtype=torch.int32), (1, 0))  # from the start of each row to before each pixel
    total = torch.zeros(levels.shape, dtype=torch.int32, device=levels.device)
    for row in range(-radius, radius + 1):
        half = isqrt(radius**2 - row**2)
        line = sums[:, :, radius + row : radius + row + height]
        total += line[..., radius + half + 1 : radius + half + 1 + width]
        total -= line[..., radius - half : radius - half + width]
    return total.to(torch.float32).div_(count_disc_pixels(radius))
