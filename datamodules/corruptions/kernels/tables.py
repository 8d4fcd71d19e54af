"""Functions of floats from tables: the same bits in any batch, on any number of threads and on every device.

Vectorised sines and powers differ between devices, and on a CPU even between the middle and the end of an array. A table
is computed once, in float64, and read by index. Its steps are finer than what a level of 255 can show.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import atan, pi, sin

import torch
from torch import Tensor

STEPS = 1 << 16


def compute_sines(turns: Tensor) -> Tensor:
    """float32: sines of angles in turns, which may be any numbers."""
    return look_up_sines(turns.sub(turns.floor()).mul_(STEPS).to(torch.int32))


def compute_cosines(turns: Tensor) -> Tensor:
    """float32: cosines of angles in turns, which may be any numbers."""
    return compute_sines(turns + 0.25)


def look_up_sines(steps: Tensor) -> Tensor:
    """float32: sines of angles in units of 1 / `STEPS` turns; integers of any size and sign."""
    places = steps.bitwise_and(STEPS - 1).to(torch.int32)
    return _make_sine_table(places.device).index_select(0, places.view(-1)).view(places.shape)


@lru_cache(maxsize=4)
def _make_sine_table(device: torch.device) -> Tensor:
    return torch.tensor([sin(2 * pi * step / STEPS) for step in range(STEPS)], dtype=torch.float32).to(device)


def compute_turns(rows: Tensor, columns: Tensor) -> Tensor:
    """float32: the angle of a direction in turns, between -0.5 and 0.5; 0 to the right, a quarter downwards.

    Args:
        rows: float32, offset downwards.
        columns: float32, offset to the right, of the same shape.
    """
    down, right = rows.abs(), columns.abs()
    ratio = torch.minimum(down, right).div_(torch.maximum(down, right).clamp_(min=1e-30))
    places = ratio.mul_(STEPS - 1).add_(0.5).to(torch.int32)
    turns = _make_angle_table(rows.device).index_select(0, places.view(-1)).view(places.shape)
    turns = torch.where(down > right, 0.25 - turns, turns)
    turns = torch.where(columns < 0, 0.5 - turns, turns)
    return torch.where(rows < 0, -turns, turns)


@lru_cache(maxsize=4)
def _make_angle_table(device: torch.device) -> Tensor:
    """float32 (STEPS,): turns, up to an eighth, by the ratio of the shorter to the longer offset."""
    return torch.tensor([atan(step / (STEPS - 1)) / (2 * pi) for step in range(STEPS)], dtype=torch.float32).to(device)


def compute_powers(values: Tensor, exponent: float, most: float) -> Tensor:
    """float32: `values` to the power of `exponent`, above 0; they are clamped to [0, `most`]."""
    places = values.clamp(0, most).mul_((STEPS - 1) / most).add_(0.5).to(torch.int32)
    return _make_power_table(exponent, most, values.device).index_select(0, places.view(-1)).view(places.shape)


@lru_cache(maxsize=16)
def _make_power_table(exponent: float, most: float, device: torch.device) -> Tensor:
    values: Sequence[float] = [(step / (STEPS - 1) * most) ** exponent for step in range(STEPS)]
    return torch.tensor(values, dtype=torch.float32).to(device)
