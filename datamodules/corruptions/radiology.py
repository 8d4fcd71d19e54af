"""Radiology: artefacts of ultrasound and X-ray devices.

All channels share the geometry and the speckle. Results are rounded to the nearest level.
"""

from functools import lru_cache
from math import exp, gamma

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.random import draw_bits, draw_normals
from datamodules.corruptions.kernels.soft_shapes import blend, draw_between, make_grid, smoothstep


class UltrasoundSpeckle(Corruption):
    """Speckle of coherent ultrasound: the image times a power of a correlated Rayleigh field of mean 1.

    Wagner et al., "Statistics of Speckle in Ultrasound B-Scans" (IEEE Transactions on Sonics and Ultrasonics, 1983):
    the envelope of many scatterers is the magnitude of a complex normal field, smoothed by the pulse, which is short
    along the beam and wide across it. The power below 1 models the compression of the display. A grain has the same size
    relative to the image at any resolution; beams run downwards. Powers and grains are our choice.
    """

    name = "ultrasound_speckle"
    family = "radiology"
    severities = declare(power=(0.12, 0.22, 0.36, 0.58, 0.95))
    """Exponent of the envelope."""
    constants = declare(cells=(128, 64))
    """Number of grains along height and width."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, power: float, cells: tuple[int, int]) -> Tensor:
        height, width = images.shape[2:]
        parts = draw_normals(keys, (2, cells[0] + 3, cells[1] + 3))
        parts = _upsample(_upsample(parts, 2, height), 3, width)
        energy = parts.square_().sum(1, keepdim=True).mul_(ENERGIES / MOST_ENERGY).clamp_(max=ENERGIES - 1).int()
        factors = _make_envelope_table(power, images.device)
        speckle = factors.index_select(0, energy.view(-1)).view(energy.shape)
        return speckle.mul(images).add_(0.5).clamp_(max=255).to(torch.uint8)


ENERGIES = 1 << 14
MOST_ENERGY = 36.0  # the sum of two squared normal numbers of at most 4.2 standard deviations each


@lru_cache(maxsize=16)
def _make_envelope_table(power: float, device: torch.device) -> Tensor:
    """float32 (ENERGIES,): power of the magnitude of a complex normal number by its squared magnitude, of mean 1."""
    mean = 2 ** (power / 2) * gamma(1 + power / 2)
    step = MOST_ENERGY / ENERGIES
    return torch.tensor([((i + 0.5) * step) ** (power / 2) / mean for i in range(ENERGIES)]).to(device)


def _upsample(field: Tensor, dimension: int, size: int) -> Tensor:
    """A coarse field on a finer grid: cubic B-splines along one dimension, scaled to keep unit variance everywhere.

    Args:
        field: float32, independent numbers of unit variance; three more than cells along `dimension`.
        dimension: to be resampled.
        size: new length of that dimension.
    """
    cells, weights = _compute_spline_weights(field.shape[dimension] - 3, size, field.device)
    shape = [1] * field.ndim
    shape[dimension] = size
    result = field.index_select(dimension, cells).mul_(weights[0].view(shape))
    for tap in range(1, 4):
        result += field.index_select(dimension, cells + tap).mul_(weights[tap].view(shape))
    return result


@lru_cache(maxsize=16)
def _compute_spline_weights(cells: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """int64 (size,): first of four taps; float32 (4, size): their weights, whose squares add up to 1."""
    at = (torch.arange(size, dtype=torch.float64) + 0.5) * (cells / size)
    first = at.floor()
    t = at - first
    weights = torch.stack(((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3))
    weights /= weights.square().sum(0).sqrt()
    return first.long().to(device), weights.float().to(device)


class AcousticShadow(Corruption):
    """Shadow of bone, stone or gas in ultrasound: from some depth on, a wedge of the image is dark.

    Shadows and their confidence are the subject of Meng et al., "Weakly Supervised Estimation of Shadow Confidence Maps
    in Fetal Ultrasound Imaging" (IEEE TMI, 2019). Beams run downwards and spread a little. Shapes, widths and darkness
    are our choice.
    """

    name = "acoustic_shadow"
    family = "radiology"
    severities = declare(width=(0.12, 0.2, 0.3, 0.42, 0.58), light=(0.4, 0.3, 0.2, 0.12, 0.06))
    """Width of the shadow at its top, relative to the image's width; factor of the signal within the shadow."""
    constants = declare(depths=(0.12, 0.3))
    """Range of the top, relative to the height."""
    spread = 0.35
    """Relative growth of the width from the top to the bottom of the image."""

    @override
    def corrupt(
        self, images: Tensor, keys: Tensor, *, width: float, light: float, depths: tuple[float, float]
    ) -> Tensor:
        tall, wide = images.shape[2:]
        rows, columns = make_grid(tall, wide, images.device)
        side = min(tall, wide)
        rows, columns = rows * (side / tall) + 0.5, columns * (side / wide)
        middle = draw_between(-0.22, 0.22, keys, (1, 1), stream=0)
        slant = draw_between(-0.2, 0.2, keys, (1, 1), stream=1)
        top = draw_between(*depths, keys, (1, 1), stream=2)
        half = (rows * self.spread + 1).mul_(width / 2)
        away = (columns - middle - slant * rows).abs_().div_(half)
        # The top of the shadow is the curved surface of what casts it.
        depth = rows - top - away * away * (0.1 * width)
        dark = (1 - smoothstep(away, 0.75, 1.1)).mul_(smoothstep(depth, -0.01, 0.05)).mul_(1 - light)
        return blend(images, 0, dark[:, None])


class GammaShift(Corruption):
    """Another response of the X-ray detector or display: levels to a power, or to its inverse, drawn for each image.

    Both directions are corruptions of Di Salvo, Doerrich & Ledig, "MedMNIST-C" (2024). The powers are our choice.
    """

    name = "xray_gamma"
    family = "radiology"
    severities = declare(power=(1.25, 1.55, 2.0, 2.6, 3.5))

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, power: float) -> Tensor:
        tables = _make_power_tables(power, images.device)
        return _apply_tables(images, tables, draw_bits(keys, (1,)).bitwise_right_shift_(15))


@lru_cache(maxsize=16)
def _make_power_tables(power: float, device: torch.device) -> Tensor:
    """uint8 (2, 256): all levels to the power and to its inverse."""
    rows = [[round(255 * (level / 255) ** exponent) for level in range(256)] for exponent in (power, 1 / power)]
    return torch.tensor(rows, dtype=torch.uint8).to(device)


class ContrastShift(Corruption):
    """Another display window: its width grows or shrinks and its level moves up or down, drawn for each image.

    Contrast in both directions is a corruption of Di Salvo, Doerrich & Ledig, "MedMNIST-C" (2024); moving the level
    along with it is what choosing another window does. The mean of the image, over all channels, moves by the level's
    shift alone, so that dark images are not lost. Widths and levels are our choice.
    """

    name = "contrast_shift"
    family = "radiology"
    severities = declare(width=(1.15, 1.35, 1.65, 2.1, 2.8), level=(0.04, 0.07, 0.11, 0.16, 0.22))
    """Factor of the window's width, or its inverse; shift of the levels, up or down, relative to the range."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, width: float, level: float) -> Tensor:
        shift = 255 * level
        total = images.flatten(1).sum(1, keepdim=True, dtype=torch.int64).to(torch.float64)
        mean = total / torch.full_like(total, images[0].numel())
        narrow, up = (draw_bits(keys, (2, 1)) >= 1 << 15).unbind(1)
        factor = torch.where(narrow, width, 1 / width).to(torch.float64)
        levels = torch.arange(256, dtype=torch.float64, device=images.device)
        tables = (levels - mean).mul_(factor).add_(mean).add_(torch.where(up, shift, -shift))
        tables = tables.add_(0.5).clamp_(0, 255).to(torch.uint8)
        return _apply_tables(
            images, tables, torch.arange(len(images), device=images.device, dtype=torch.int32)[:, None]
        )


def _apply_tables(images: Tensor, tables: Tensor, drawn: Tensor) -> Tensor:
    """Levels from each image's table; `tables` is uint8 (N, 256), `drawn` int32 (B, 1) says which."""
    entries = images.flatten(1).to(torch.int32).add_(drawn * 256)
    return tables.view(-1).index_select(0, entries.view(-1)).view(images.shape)


class QuantumNoise(Corruption):
    """Few X-ray photons: noise that grows where the body absorbs them, the bright parts of the image.

    Photons are counted (Poisson), attenuation is exponential (Beer-Lambert), and the image shows the logarithm, so that
    the standard deviation is that of a logarithm of a count N, 1 / sqrt(N); the count is taken as normal, as is usual
    from about ten photons on. Black stands for free air and white for an attenuation by e ** 3, which is our choice
    like the doses. Channels share the noise: a radiograph of several is a grey image repeated.
    """

    name = "quantum_noise"
    family = "radiology"
    severities = declare(photons=(4000, 1500, 600, 250, 110))
    """Photons per pixel in free air."""
    constants = declare(attenuation=3.0)

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, photons: int, attenuation: float) -> Tensor:
        deviations = _make_deviation_table(photons, attenuation, images.device)
        noise = draw_normals(keys, (1, *images.shape[2:]))
        spread = deviations.index_select(0, images.view(-1).int()).view(images.shape)
        return spread.mul_(noise).add_(images).add_(0.5).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=16)
def _make_deviation_table(photons: int, attenuation: float, device: torch.device) -> Tensor:
    """float32 (256,): standard deviation of the noise at each level, in levels."""
    counts = [photons * exp(-attenuation * level / 255) for level in range(256)]
    return torch.tensor([255 / attenuation / count**0.5 for count in counts]).to(device)
