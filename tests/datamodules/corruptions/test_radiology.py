import numpy as np
import pytest
import torch

from datamodules.corruptions.kernels.random import draw_normals
from datamodules.corruptions.radiology import (
    AcousticShadow,
    ContrastShift,
    GammaShift,
    QuantumNoise,
    UltrasoundSpeckle,
    _compute_spline_weights,
    _upsample,
)

severities = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
KEYS = torch.arange(-6, 6)


def flat(level: int, side: int = 64, channels: int = 1) -> torch.Tensor:
    return torch.full((len(KEYS), channels, side, side), level, dtype=torch.uint8)


def ramp(channels: int = 1) -> torch.Tensor:
    """Every level, equally often."""
    return torch.arange(256, dtype=torch.uint8).view(1, 1, 32, 8).repeat(len(KEYS), channels, 1, 4)


@pytest.mark.parametrize(("cells", "size"), [(64, 32), (64, 57), (64, 128), (13, 200)])
def test_spline_is_the_cubic_one_with_unit_energy(cells, size):
    first, weights = _compute_spline_weights(cells, size, torch.device("cpu"))
    assert first.min() >= 0
    assert first.max() + 3 < cells + 3
    assert (weights.square().sum(0) - 1).abs().max() < 1e-6
    distance = (torch.arange(size) + 0.5) * cells / size + 1 - (first + torch.arange(4)[:, None])
    distance = distance.abs().double()
    near, far = 4 - 6 * distance**2 + 3 * distance**3, (2 - distance) ** 3
    expected = torch.where(distance < 1, near, far.clamp(min=0))
    expected /= expected.square().sum(0).sqrt()
    assert (weights - expected).abs().max() < 1e-4


def test_spread_keeps_the_variance_everywhere():
    field = _upsample(draw_normals(torch.arange(3000), (9, 2)), 1, 31)
    assert (field.std(0) - 1).abs().max() < 0.06


@severities
def test_speckle_is_a_power_of_a_rayleigh_field(severity):
    power, level = UltrasoundSpeckle.severities["power"][severity - 1], 40
    keys = torch.arange(24)
    speckled = UltrasoundSpeckle()(torch.full((24, 2, 128, 128), level, dtype=torch.uint8), severity, keys)
    assert torch.equal(speckled[:, 0], speckled[:, 1])
    values = np.sort(speckled[:, 0].double().numpy().ravel())
    random = np.random.default_rng(0)
    expected = np.sort(random.rayleigh(1, values.size) ** power)
    expected *= level / expected.mean()
    assert np.abs(values - expected)[values.size // 1000 : -values.size // 1000].mean() < 0.02 * level
    assert (UltrasoundSpeckle()(flat(0), severity, KEYS) == 0).all()


def test_grains_are_wider_than_high_and_grow_with_the_image():
    def correlation(side: int, down: int, right: int) -> float:
        levels = UltrasoundSpeckle()(flat(90, side), 3, KEYS)[:, 0].double()
        levels -= levels.mean()
        moved = levels[:, : side - down, : side - right] * levels[:, down:, right:]
        return (moved.mean() / levels.square().mean()).item()

    assert correlation(192, 0, 2) > correlation(192, 2, 0) + 0.2
    assert correlation(384, 4, 0) == pytest.approx(correlation(192, 2, 0), abs=0.05)
    assert correlation(384, 0, 4) == pytest.approx(correlation(192, 0, 2), abs=0.05)


@severities
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_shadow_darkens_below_its_top(severity, channels):
    shadowed = AcousticShadow()(flat(200, 64, channels), severity, KEYS)
    assert torch.equal(shadowed, shadowed[:, :1].expand_as(shadowed))
    assert (shadowed <= 200).all()
    assert (shadowed[:, :, : int(64 * AcousticShadow.constants["depths"][0]) - 1] == 200).all()
    deepest = shadowed.flatten(1).amin(1).double() / 200
    assert (deepest - AcousticShadow.severities["light"][severity - 1]).abs().max() < 0.01
    row = 200 - shadowed[:, 0, 32].double()
    width = (row > row.amax(1, keepdim=True) / 2).double().mean(1)
    assert (width > 0.6 * AcousticShadow.severities["width"][severity - 1]).all()
    assert (width < 1.3 * AcousticShadow.severities["width"][severity - 1]).all()


def test_the_shadow_grows_with_the_image():
    small = AcousticShadow()(flat(200, 96), 3, KEYS).double()
    large = torch.nn.functional.avg_pool2d(AcousticShadow()(flat(200, 192), 3, KEYS).double(), 2)
    assert (small - large).abs().mean() < 0.05 * (small - 200).abs().mean()


@severities
def test_gamma_is_a_power_or_its_inverse(severity):
    images = ramp()
    changed = GammaShift()(images, severity, KEYS)
    power = GammaShift.severities["power"][severity - 1]
    level = images[0].double() / 255
    directions = [torch.floor(255 * level**exponent + 0.5) for exponent in (power, 1 / power)]
    matches = torch.stack([(changed == direction).flatten(1).all(1) for direction in directions])
    assert matches.sum(0).eq(1).all()
    assert matches.any(1).all()


@severities
def test_windows_are_affine_and_move_the_mean(severity):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(110, 150, (len(KEYS), 2, 40, 40), dtype=torch.uint8, generator=generator)
    width, shift = (
        ContrastShift.severities["width"][severity - 1],
        255 * ContrastShift.severities["level"][severity - 1],
    )
    changed = ContrastShift()(images, severity, KEYS).double()
    mean = images.double().mean((1, 2, 3), keepdim=True)
    moved = changed.mean((1, 2, 3), keepdim=True) - mean
    assert (moved.abs() - shift).abs().max() <= 0.5
    assert (moved > 0).any()
    assert (moved < 0).any()
    factor = changed.std((1, 2, 3), keepdim=True) / images.double().std((1, 2, 3), keepdim=True)
    narrow = factor > 1
    assert narrow.any()
    assert not narrow.all()
    factor = torch.where(narrow, width, 1 / width)
    expected = (images - mean) * factor + mean + moved.sign() * shift
    assert (changed - expected).abs().max() <= 0.5 + 1e-6


@severities
@pytest.mark.parametrize("level", [60, 128, 190])
def test_quantum_noise_is_that_of_the_logarithm_of_a_count(severity, level):
    photons = QuantumNoise.severities["photons"][severity - 1] * np.exp(
        -QuantumNoise.constants["attenuation"] * level / 255
    )
    expected = 255 / QuantumNoise.constants["attenuation"] / photons**0.5
    noisy = QuantumNoise()(flat(level, 96, 2), severity, KEYS)
    assert torch.equal(noisy[:, 0], noisy[:, 1])
    if 4.3 * expected < min(level, 255 - level):  # nothing is cut off
        assert noisy.double().mean().item() == pytest.approx(level, abs=0.2)
        assert noisy.double().std().item() == pytest.approx((expected**2 + 1 / 12) ** 0.5, rel=0.02)


def test_quantum_noise_is_what_counting_gives():
    random = np.random.default_rng(0)
    level, photons = 150, QuantumNoise.severities["photons"][3]
    counts = random.poisson(photons * np.exp(-QuantumNoise.constants["attenuation"] * level / 255), 200_000)
    counted = -np.log(counts / photons) * 255 / QuantumNoise.constants["attenuation"]
    noisy = QuantumNoise()(flat(level, 96), 4, KEYS).double()
    assert noisy.std().item() == pytest.approx(counted.std(), rel=0.03)
