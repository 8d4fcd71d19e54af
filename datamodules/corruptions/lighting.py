"""Lighting: underexposure, overexposure, colour casts and uneven illumination.

Light is additive in linear intensity, not in the levels of a file: levels are decoded and encoded by the transfer function
of sRGB (IEC 61966-2-1), even where they are no photographs. All severities are our choice.
"""

from functools import lru_cache

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.random import draw_bits, draw_normals
from datamodules.corruptions.kernels.soft_shapes import draw_between, draw_directions, make_grid, smoothstep

FINE = 1 << 16  # quantisation steps of linear light for encoding; 0.05 of a level where they are coarsest


def decode_srgb(images: Tensor) -> Tensor:
    """Linear light in [0, 1], float32, of 8-bit levels."""
    table = _make_decoding_table(images.device)
    return table.index_select(0, images.reshape(-1).to(torch.int32)).view(images.shape)


def encode_srgb(light: Tensor) -> Tensor:
    """8-bit levels, rounded, of linear light, which is overwritten; values outside [0, 1] are clipped."""
    steps = light.mul_(FINE - 1).add_(0.5).clamp_(0, FINE - 1).to(torch.int32)
    return _make_encoding_table(light.device).index_select(0, steps.view(-1)).view(light.shape)


@lru_cache(maxsize=4)
def _make_decoding_table(device: torch.device) -> Tensor:
    levels = torch.arange(256, dtype=torch.float64) / 255
    light = torch.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return light.to(torch.float32).to(device)


@lru_cache(maxsize=4)
def _make_encoding_table(device: torch.device) -> Tensor:
    light = torch.arange(FINE, dtype=torch.float64) / (FINE - 1)
    levels = torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (levels * 255).round().to(torch.uint8).to(device)


class LowLight(Corruption):
    """Low light, with the resulting sensor noise.

    The noise is Foi et al.'s ("Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image Raw-Data", IEEE
    TIP 2008): its variance is a constant plus a multiple of the light, here with the normal distribution for both parts.
    """

    name = "low_light"
    family = "lighting"
    severities = declare(share=(0.5, 0.3, 0.17, 0.09, 0.045))
    """Factor of the light."""
    constants = declare(photons=1500, read_noise=0.0025)
    """Full-well capacity in electrons, such that light x has the variance x / photons; standard deviation in the dark,
    relative to the largest light.
    """

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, share: float, photons: int, read_noise: float) -> Tensor:
        light = decode_srgb(images).mul_(share)
        deviation = light.div(photons).add_(read_noise**2).sqrt_()
        return encode_srgb(light.add_(deviation.mul_(draw_normals(keys, images.shape[1:]))))


class OverExposure(Corruption):
    """Overexposure: light times a gain, clipped where the sensor saturates.

    One of the exposure errors of Afifi et al., "Learning Multi-Scale Photo Exposure Correction" (CVPR 2021), who render
    them in stops of linear light alike.
    """

    name = "over_exposure"
    family = "lighting"
    severities = declare(stops=(0.5, 1.0, 1.5, 2.0, 2.6))
    """A stop doubles the light."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, stops: float) -> Tensor:
        return encode_srgb(decode_srgb(images).mul_(2**stops))


class Gamma(Corruption):
    """Gamma correction: levels to the power of gamma, or of its inverse, drawn for each image.

    It applies to levels, not to linear light. On photographs both directions are equally strong, within 0.5 dB of PSNR.
    """

    name = "gamma"
    family = "lighting"
    exact = True
    severities = declare(exponent=(1.25, 1.6, 2.05, 2.7, 3.6))
    """The exponent darkens, and its inverse brightens."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, exponent: float) -> Tensor:
        darker = draw_bits(keys, (1, 1, 1)).bitwise_and_(1)
        entries = images.to(torch.int32).add_(darker * 256)
        table = _make_power_table(exponent, images.device)
        return table.index_select(0, entries.view(-1)).view(images.shape)


@lru_cache(maxsize=16)
def _make_power_table(exponent: float, device: torch.device) -> Tensor:
    """uint8 (512,): levels brightened, then levels darkened."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    return torch.cat([(levels**power * 255).round() for power in (1 / exponent, exponent)]).to(torch.uint8).to(device)


class ColourTemperature(Corruption):
    """A wrong white balance: illumination by a black body warmer or colder than daylight, drawn for each image.

    Afifi & Brown ("What Else Can Fool Deep Learning? Addressing Color Constancy Errors on Deep Neural Network
    Performance", ICCV 2019) find that networks fail on such images. Chromaticities of black bodies are those of Kim et
    al.'s cubic splines (US patent 7024034, 2006); the light of each channel is scaled such that grey takes the tint and
    keeps its luminance.

    Cold tints approach a limit, where the spline ends too: from severity 3 on warm ones are stronger, by 2 to 6 dB of PSNR
    on photographs.
    """

    name = "colour_temperature"
    family = "lighting"
    colour_only = True
    severities = declare(kelvins=((5400, 8000), (4600, 10500), (3900, 14000), (3300, 18500), (2700, 25000)))
    """Warm and cold colour temperature; daylight has 6500 K."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, kelvins: tuple[int, int]) -> Tensor:
        cold = draw_bits(keys, (1,)).bitwise_and_(1).view(-1)
        gains = torch.tensor([compute_tint(kelvin) for kelvin in kelvins], device=images.device)
        return encode_srgb(decode_srgb(images).mul_(gains.index_select(0, cold)[:, :, None, None]))


def compute_tint(kelvin: float) -> tuple[float, ...]:
    """Gains of red, green and blue light of a black body, relative to one of 6500 K, that preserve the luminance of grey."""
    gains = [one / other for one, other in zip(_compute_black_body(kelvin), _compute_black_body(6500), strict=True)]
    luminance = sum(share * gain for share, gain in zip((0.2126, 0.7152, 0.0722), gains, strict=True))
    return tuple(gain / luminance for gain in gains)


def _compute_black_body(kelvin: float) -> tuple[float, ...]:
    """Linear sRGB of a black body between 1667 and 25000 K."""
    k = 1000 / kelvin
    if kelvin < 4000:
        x = -0.2661239 * k**3 - 0.2343589 * k**2 + 0.8776956 * k + 0.179910
    else:
        x = -3.0258469 * k**3 + 2.1070379 * k**2 + 0.2226347 * k + 0.240390
    if kelvin < 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif kelvin < 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    tristimulus = (x / y, 1.0, (1 - x - y) / y)
    matrix = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))
    return tuple(max(1e-3, sum(a * b for a, b in zip(row, tristimulus, strict=True))) for row in matrix)


class UnevenIllumination(Corruption):
    """Uneven illumination: a linear gradient in a random direction and a bright spot at a random place."""

    name = "uneven_illumination"
    family = "lighting"
    severities = declare(stops=(0.6, 1.0, 1.5, 2.1, 2.8))
    """Difference between the mean brightness and the brightest or darkest place; a stop doubles the light."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, stops: float) -> Tensor:
        rows, columns = make_grid(images.shape[2], images.shape[3], images.device)
        cosine, sine = draw_directions(keys, (1, 1, 1), stream=0)
        slope = rows * sine + columns * cosine
        middle = draw_between(-0.3, 0.3, keys, (2, 1, 1, 1), stream=1)
        down, right = rows - middle[:, 0], columns - middle[:, 1]
        spot = 1 / (1 + 6 * (down * down + right * right))
        field = slope + spot
        lowest, highest = (edge(field, (1, 2, 3), keepdim=True) for edge in (torch.amin, torch.amax))
        brightness = (field - lowest).div_(highest - lowest).mul_(2).sub_(1).mul_(stops)
        return encode_srgb(decode_srgb(images).mul_(brightness.exp2_()))


class HardShadow(Corruption):
    """A cast shadow, such as that of a building: a corner of two straight edges, at a random place and in a random direction.

    Zhong et al., "Shadows Can Be Dangerous: Stealthy and Effective Physical-World Adversarial Attack by Natural Phenomenon"
    (CVPR 2022) show that a darkened polygon alone can mislead a network. Here the shadow is random, not optimised, and its
    edge is soft over about a fortieth of the shorter side.
    """

    name = "hard_shadow"
    family = "lighting"
    severities = declare(share=(0.6, 0.42, 0.28, 0.17, 0.08))
    """Fraction of the light within the shadow."""
    constants = declare(softness=0.012)

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, share: float, softness: float) -> Tensor:
        rows, columns = make_grid(images.shape[2], images.shape[3], images.device)
        cosine, sine = draw_directions(keys, (1, 1, 1), stream=0)
        offset = draw_between(-0.1, 0.1, keys, (1, 1, 1), stream=1)
        along, across = rows * sine + columns * cosine, rows * cosine - columns * sine
        one = smoothstep(along - offset, -softness, softness)
        other = smoothstep(across + 0.25, -softness, softness)
        shade = one.mul_(other).mul_(share - 1).add_(1)
        return encode_srgb(decode_srgb(images).mul_(shade))


class Glare(Corruption):
    """Lens glare: light of a lamp or the sun scattered over the image, most of it close to a random place.

    Scattered light falls off with the square of the angle (Vos, "On the cause of disability glare and its dependence on
    glare angle, age and ocular pigmentation", Clinical and Experimental Optometry 2003, for the eye).
    """

    name = "glare"
    family = "lighting"
    severities = declare(strength=(0.12, 0.25, 0.5, 1.0, 2.2))
    """Light added at the light source, relative to the range of the image."""
    constants = declare(radius=0.16, veil=0.06)
    """Radius at which that light has halved, relative to the shorter side, and the fraction of it that is added everywhere."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, strength: float, radius: float, veil: float) -> Tensor:
        rows, columns = make_grid(images.shape[2], images.shape[3], images.device)
        middle = draw_between(-0.35, 0.35, keys, (2, 1, 1, 1), stream=0)
        down, right = rows - middle[:, 0], columns - middle[:, 1]
        scattered = 1 / (1 + (down * down + right * right) / radius**2)
        return encode_srgb(decode_srgb(images).add_(scattered.add_(veil).mul_(strength)))
