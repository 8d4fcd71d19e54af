"""How strong corruptions are on fixed photographs, and the parameters that make them as strong as others."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import log10
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from datamodules.corruptions.base import Corruption, draw_key
from datamodules.corruptions.declaration import SEVERITIES
from experiments.measuring.photographs import load_photographs
from experiments.measuring.similarity import compute_ssim

PHOTOGRAPHS, DRAWS, SIDE = 4, 2, 224
"""Number of the photographs, draws for each, and their side in pixels, for which ImageNet-C states its severities."""

LIMITS: Mapping[str, tuple[float, float]] = {
    "kelvins": (1700, 25000),  # the splines of black bodies end there
    "opacity": (0, 1),
    "share": (0, 1),
    "covered": (0, 0.9),
    "kept": (0.01, 1),
    "light": (0, 1),
    "corner_light": (0.001, 1),
    "radius": (0, 1),
    "width": (0, 4),  # of a stroke or a shadow relative to the image, or of a window relative to the range
    "count": (1, 400),
    "clots": (1, 150),
    "blocks": (3, 151),
    "photons": (5, 10**6),
}
"""Between what numbers a parameter of this name makes sense, at any severity."""

FARTHEST = 12.0
"""How far beyond the declared severities, which are 1 to 5, strengths are sought."""


class Strength(NamedTuple):
    """Mean distances of corrupted photographs to the clean ones."""

    ssim: float
    psnr: float  # dB, of the mean squared error


@cache
def load_images() -> Tensor:
    """The photographs, uint8 (B, 3, H, W)."""
    photographs = np.stack(load_photographs(PHOTOGRAPHS, SIDE) * DRAWS)
    return torch.from_numpy(np.ascontiguousarray(photographs.transpose(0, 3, 1, 2)))


def measure_strength(corruption: Corruption, severity: int) -> Strength:
    """The strength of a corruption at a severity, on the photographs.

    What is drawn is the same at all severities, so that strengths of one corruption differ by its parameters alone.

    Args:
        corruption: which reads no masks.
        severity: 1 to 5.
    """
    clean = load_images()
    keys = torch.tensor([draw_key(0, f"photograph {place}", corruption.name, 0) for place in range(len(clean))])
    corrupted = corruption(clean, severity, keys)
    error = (corrupted.double() - clean).square().mean().item()
    pairs = zip(*(part.permute(0, 2, 3, 1).contiguous().numpy() for part in (clean, corrupted)), strict=True)
    ssim = float(np.mean([compute_ssim(one, other) for one, other in pairs]))
    return Strength(ssim, 10 * log10(255**2 / error) if error else float("inf"))


def find_parameters(
    corruption: Corruption,
    targets: Sequence[float],
    measure: Callable[[Corruption, int], Strength] = measure_strength,
) -> dict[str, list[Any]]:
    """The parameters by which a corruption has the given SSIM at each severity.

    They are sought along the line of the declared ones, from severity to severity and beyond both ends, by bisection: all
    parameters of a corruption move together, as they were meant to. Where the last target lies beyond the limits of a
    parameter, the corruption is as strong as it can be at severity 5, and all targets are moved up in proportion.

    Args:
        corruption: whose parameters are declared, not arguments.
        targets: mean SSIM at severities 1 to 5, falling.
        measure: of the corruption at a severity.

    Returns:
        Five values of each parameter, in three digits.
    """

    def set_all(place: float) -> dict[str, Any]:
        return {name: _interpolate(name, values, place) for name, values in corruption.severities.items()}

    def measure_at(place: float, severity: int) -> float:
        there = corruption.with_parameters({name: [value] * 5 for name, value in set_all(place).items()})
        return measure(there, severity).ssim

    strongest = measure_at(FARTHEST, 5)
    reach = min(1.0, (1 - strongest) / (1 - targets[-1]))
    found = []
    for severity, target in zip(SEVERITIES, targets, strict=True):
        wanted, low, high = 1 - reach * (1 - target), -FARTHEST, FARTHEST
        for _ in range(12):
            middle = (low + high) / 2
            low, high = (middle, high) if measure_at(middle, severity) > wanted else (low, middle)
        found.append(set_all((low + high) / 2))
    return {name: [one[name] for one in found] for name in corruption.severities}


def _interpolate(name: str, values: Sequence[Any], place: float) -> Any:
    """A parameter at a severity that need not be whole nor between 1 and 5: in equal ratios, or in equal steps from or to 0."""
    if isinstance(values[0], list | tuple):
        return tuple(_interpolate(name, part, place) for part in zip(*values, strict=True))
    start = int(min(max(place, 1), 4))
    one, other, share = values[start - 1], values[start], place - start
    number = one * (other / one) ** share if one > 0 and other > 0 else one + (other - one) * share
    low, high = LIMITS.get(name, (float("-inf"), float("inf")))
    number = min(max(number, low), high)
    if all(isinstance(value, int) for value in values):
        odd = all(value % 2 for value in values)
        return 2 * round((number - 1) / 2) + 1 if odd else round(number)
    return float(f"{number:.3g}")
