"""MRI: artefacts of noise, coils, motion and k-space sampling in magnitude images.

Every channel is a sequence. All channels share the geometry of an artefact, as if it came from the head, the coil or the
scanner rather than from one acquisition; only noise is independent. Phase is encoded along the height. Results are rounded
to the nearest level.

`Motion` and `GibbsRinging` transform whole images. A CPU gives the same pixels in any batch; there, CPU and GPU agree
within one level, and at nearly all pixels exactly. Everything else is exact on all devices.
"""

from functools import lru_cache
from math import cos, exp, pi

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.random import draw_bits, draw_normals
from datamodules.corruptions.kernels.soft_shapes import draw_between, draw_directions, make_grid


class RicianNoise(Corruption):
    """Magnitude of a complex signal with independent normal noise in both parts.

    Gudbjartsson & Patz, "The Rician Distribution of Noisy MRI Data" (Magnetic Resonance in Medicine, 1995): the black
    background becomes grey with Rayleigh noise. Boone et al., "ROOD-MRI" (NeuroImage, 2023) test with it as well. The
    strengths are our choice.
    """

    name = "rician_noise"
    family = "mri"
    severities = declare(standard_deviation=(0.03, 0.055, 0.09, 0.14, 0.21))
    """Standard deviation of each part, relative to the range."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, standard_deviation: float) -> Tensor:
        deviation = 255 * standard_deviation
        real = draw_normals(keys, images.shape[1:], stream=0).mul_(deviation).add_(images)
        imaginary = draw_normals(keys, images.shape[1:], stream=1).mul_(deviation)
        return _round_levels(real.square_().add_(imaginary.square_()).sqrt_())


class BiasField(Corruption):
    """Uneven sensitivity of the coil: a smooth field multiplies the image.

    The field's logarithm is a polynomial of third order, as Van Leemput et al., "Automated Model-Based Bias Field
    Correction of MR Images of the Brain" (IEEE TMI, 1999) model it. The coefficients of Legendre's polynomials are
    normal, scaled so that the logarithm has a known root mean square. That scale and its values are our choice.
    """

    name = "bias_field"
    family = "mri"
    severities = declare(deviation=(0.1, 0.2, 0.32, 0.48, 0.7))
    """Root mean square of the field's logarithm."""
    constants = declare(order=3)

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, deviation: float, order: int) -> Tensor:
        height, width = images.shape[2:]
        weights = draw_normals(keys, (order + 1, order + 1, 1, 1))
        rows, columns = (
            axis * (min(height, width) * 2 / axis.numel()) for axis in make_grid(height, width, images.device)
        )
        field = torch.zeros((len(images), height, width), device=images.device)
        mean_square = torch.zeros((len(images), 1, 1), device=images.device)
        for down, across in _list_degrees(order):
            weight = weights[:, down, across]
            field += weight * _evaluate_legendre(rows, down) * _evaluate_legendre(columns, across)
            mean_square += weight * weight * (1 / ((2 * down + 1) * (2 * across + 1)))  # they are orthogonal
        field.mul_(deviation / mean_square.sqrt_())
        entries = field.mul_(STEPS).add_(STRONGEST * STEPS + 0.5).clamp_(0, 2 * STRONGEST * STEPS).int()
        gains = _make_gain_table(images.device).index_select(0, entries.view(-1)).view(entries.shape)
        return _round_levels(images.to(torch.float32).mul_(gains[:, None]))


STEPS = 2048  # of a field's logarithm, from one unit to the next
STRONGEST = 3  # the logarithm stays within this many units


@lru_cache(maxsize=4)
def _make_gain_table(device: torch.device) -> Tensor:
    """float32 (2 * STRONGEST * STEPS + 1,): factors by their logarithm. From a table, as devices round exp differently."""
    steps = range(-STRONGEST * STEPS, STRONGEST * STEPS + 1)
    return torch.tensor([exp(step / STEPS) for step in steps]).to(device)


class Ghosting(Corruption):
    """Ghosts along the phase encoding, from a phase that changes periodically between the lines.

    Motion with the breath or the pulse multiplies the k-space line k by exp(i a cos(2 pi k s / H)) (Wood & Henkelman,
    "MR Image Artifacts from Periodic Motion", Medical Physics, 1985); lines that alternate give the Nyquist ghost at
    s = H / 2. To first order the factor is 1 + i a cos(2 pi k s / H), divided by its root mean square. The shift theorem
    then gives the magnitude sqrt(I ** 2 + (a / 2) ** 2 (I shifted down by s + I shifted up by s) ** 2), wrapped around,
    without a transform. Boone et al., "ROOD-MRI" (NeuroImage, 2023) test ghosts too. The strengths are our choice.
    """

    name = "ghosting"
    family = "mri"
    severities = declare(amplitude=(0.2, 0.38, 0.6, 0.95, 1.6))
    """a in radians."""
    constants = declare(shifts=(0.12, 0.5))
    """Smallest and largest s, relative to the height."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, amplitude: float, shifts: tuple[float, float]) -> Tensor:
        height = images.shape[2]
        shift = draw_between(*shifts, keys, (1,), stream=0).mul_(height).to(torch.int64)
        rows = torch.arange(height, device=images.device)
        ghosts = _gather_rows(images, (rows - shift) % height).to(torch.float32)
        ghosts += _gather_rows(images, (rows + shift) % height)
        energy = ghosts.square_().mul_(amplitude**2 / 4).add_(images.to(torch.float32).square_())
        return _round_levels(energy.mul_(1 / (1 + amplitude**2 / 2)).sqrt_())


class Motion(Corruption):
    """Head motion during the acquisition: blocks of k-space lines are acquired at different positions of the head.

    Rigid motion between segments of k-space as in Shaw et al., "MRI k-Space Motion Artefact Augmentation" (MIDL 2019)
    and Boone et al., "ROOD-MRI" (NeuroImage, 2023); here translations alone. The block around the centre of k-space
    stays in place, so that the masks still fit. Lines are acquired in order. The strengths are our choice.
    In images of more than 256 px, the outermost blocks hold all lines that such an image has beyond one of 256 px.
    """

    name = "mri_motion"
    family = "mri"
    severities = declare(blocks=(5, 9, 15, 25, 41), shift=(0.01, 0.016, 0.024, 0.034, 0.048))
    """Number of blocks of lines, odd so that one is central; largest displacement of a block, relative to the shorter side.
    The smallest is half of it.
    """

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, blocks: int, shift: float) -> Tensor:
        height, width = images.shape[2:]
        away = draw_between(shift / 2, shift, keys, (blocks,), stream=0) * min(height, width)
        away = (draw_directions(keys, (blocks,), stream=1) * away).to(torch.float64)
        away[:, :, blocks // 2] = 0
        downwards = torch.fft.fftfreq(height, dtype=torch.float64, device=images.device)
        rightwards = torch.fft.fftfreq(width, dtype=torch.float64, device=images.device)
        lines = (downwards * _compute_surplus(height, width)).clamp_(-0.5, 0.5)
        block = ((lines + 0.5) * blocks).long().clamp_(max=blocks - 1)
        waves = _compute_phase(away[0, :, :, None] * rightwards).index_select(1, block)
        waves *= _compute_phase(away[1].index_select(1, block) * downwards)[..., None]
        result = torch.empty_like(images)
        for channel in range(images.shape[1]):  # one at a time stays in the cache
            signal = torch.fft.ifft2(torch.fft.fft2(images[:, channel].to(torch.float64)).mul_(waves))
            result[:, channel] = _round_levels(signal.real.square().add_(signal.imag.square()).sqrt_())
        return result


class GibbsRinging(Corruption):
    """Gibbs ringing at edges, from k-space that was sampled up to a low frequency only, in both directions.

    Czervionke et al., "Characteristic Features of MR Truncation Artifacts" (AJR, 1988). It has no random draws. The ratios
    are our choice; larger images retain as many lines as one of 256 px, so that rings have the same width on the head.
    """

    name = "gibbs_ringing"
    family = "mri"
    severities = declare(kept=(0.55, 0.4, 0.28, 0.19, 0.12))
    """Ratio of the lines that are retained in each direction, in images of up to 256 px."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, kept: float) -> Tensor:
        height, width = images.shape[2:]
        spectrum = torch.fft.rfft2(images.to(torch.float64))
        highest = kept / 2 / _compute_surplus(height, width)
        down, across = int(highest * height), int(highest * width)
        spectrum[:, :, down + 1 : height - down] = 0
        spectrum[:, :, :, across + 1 :] = 0
        return _round_levels(torch.fft.irfft2(spectrum, s=(height, width)).abs_())


class KSpaceSpike(Corruption):
    """Herringbone: sparks during the acquisition leave spikes in k-space, stripes across the image.

    Described by Graves & Mitchell, "Body MRI Artifacts in Clinical Practice: A Physicist's and Radiologist's
    Perspective" (JMRI, 2013). Two spikes at drawn frequencies, the second half as strong, each with its mirror image so
    that the stripes are real, and the magnitude of the sum. Frequencies are in cycles per image; they and the strengths
    are our choice.
    """

    name = "kspace_spike"
    family = "mri"
    severities = declare(amplitude=(0.04, 0.07, 0.115, 0.18, 0.27))
    """Amplitude of the first wave, relative to the range."""
    constants = declare(spikes=2, cycles=(10.0, 16.0))
    """`cycles` are the smallest and the largest magnitude of a frequency, in cycles per image."""

    @override
    def corrupt(
        self, images: Tensor, keys: Tensor, *, amplitude: float, spikes: int, cycles: tuple[float, float]
    ) -> Tensor:
        height, width = images.shape[2:]
        ways = draw_directions(keys, (spikes, 1, 1), stream=0)
        waves = (ways * draw_between(*cycles, keys, (spikes, 1, 1), stream=1)).round_().long()
        rows = torch.arange(1, 2 * height, 2, device=images.device)[:, None]  # the pixels' middles, in half pixels
        columns = torch.arange(1, 2 * width, 2, device=images.device)
        down = waves[0] * rows * (FULL // 2) // height + draw_bits(keys, (spikes, 1, 1), stream=2)
        right = waves[1] * columns * (FULL // 2) // width
        turns = down.bitwise_and_(FULL - 1).int() + right.bitwise_and_(FULL - 1).int()
        heights = (
            _make_cosine_table(images.device).index_select(0, turns.bitwise_and_(FULL - 1).view(-1)).view(turns.shape)
        )
        stripes = heights[:, 1].mul(0.5).add_(heights[:, 0])
        levels = stripes.mul_(255 * amplitude)[:, None] + images
        return _round_levels(levels.abs_())


def _compute_surplus(height: int, width: int) -> float:
    """Ratio of the number of an image's lines to `LINES`; at least 1.

    Cut-offs in k-space are defined in lines, since a ratio of a large image's lines would retain all frequencies of the
    head; small images have too few lines for that.
    """
    return max(1.0, min(height, width) / LINES)


def _compute_phase(turns: Tensor) -> Tensor:
    """complex128: the phase factor of a displacement, from its number of cycles."""
    return torch.polar(torch.ones_like(turns), turns.mul(-2 * pi))


LINES = 256
FULL = 1 << 16  # parts of a full turn


@lru_cache(maxsize=4)
def _make_cosine_table(device: torch.device) -> Tensor:
    """float32 (FULL,): the cosine over one turn."""
    return torch.tensor([cos(2 * pi * turn / FULL) for turn in range(FULL)]).to(device)


def _round_levels(signal: Tensor) -> Tensor:
    """Rounded to the nearest level and cut off at 255."""
    return signal.add_(0.5).clamp_(max=255).to(torch.uint8)


def _list_degrees(order: int) -> list[tuple[int, int]]:
    """Degrees along both axes of the polynomials up to `order`, without the constant."""
    return [(down, total - down) for total in range(1, order + 1) for down in range(total + 1)]


def _evaluate_legendre(axis: Tensor, degree: int) -> Tensor:
    """Legendre's polynomial on an axis that runs from -1 to 1, by Bonnet's recursion."""
    previous, current = torch.zeros_like(axis), torch.ones_like(axis)
    for n in range(degree):
        previous, current = current, (current * axis * (2 * n + 1) - previous * n) * (1 / (n + 1))
    return current


def _gather_rows(images: Tensor, rows: Tensor) -> Tensor:
    """Rows of each image; `rows` is int64 (B, H)."""
    return images.gather(2, rows[:, None, :, None].expand(images.shape))
