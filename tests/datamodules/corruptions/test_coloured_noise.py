"""Blue and brown noise: their spectra, their moments and what they do to the image."""

import numpy as np
import pytest
import torch
from scenes import keys
from scipy.special import ndtr

from datamodules.corruptions.coloured_noise import BlueNoiseSample, BrownishNoise, draw_coloured_noise


@pytest.mark.parametrize("size", [(64, 64), (48, 81)])
@pytest.mark.parametrize("blue", [True, False])
def test_every_wave_has_the_amplitude_of_its_frequency(size, blue) -> None:
    noise = draw_coloured_noise(keys(3), (2, *size), blue).double().numpy()
    spectrum = np.abs(np.fft.fft2(noise))
    lines = [np.fft.fftfreq(length) * min(size) for length in size]
    frequency = np.hypot(lines[0][:, None], lines[1])
    expected = frequency if blue else 1 / (1 + frequency**2)
    inner = spectrum[..., 1 : (size[0] - 1) // 2, 1 : (size[1] - 1) // 2]
    wanted = expected[1 : (size[0] - 1) // 2, 1 : (size[1] - 1) // 2]
    ratio = inner / wanted
    assert (ratio.std((-2, -1)) / ratio.mean((-2, -1)) < 1e-3).all()


@pytest.mark.parametrize("blue", [True, False])
def test_noise_has_unit_variance_and_a_phase_for_every_image_and_channel(blue) -> None:
    noise = draw_coloured_noise(keys(4), (3, 40, 57), blue)
    assert torch.allclose(noise.std((-2, -1), correction=0), torch.ones(4, 3), atol=1e-5)
    fields = noise.flatten(0, 1).flatten(1)
    others = torch.corrcoef(fields) - torch.eye(12)
    assert others.abs().max() < (0.1 if blue else 0.95)


@pytest.mark.parametrize("severity", range(1, 6))
def test_blue_noise_blackens_its_quantile_of_the_pixels(severity) -> None:
    images = torch.full((8, 3, 96, 96), 200, dtype=torch.uint8)
    black = BlueNoiseSample()(images, severity, keys(8)) == 0
    threshold = 0.3 * (0.8, 1.6, 2.4, 4.0, 5.6)[severity - 1] - 2.5
    assert abs(black.double().mean().item() - ndtr(threshold)) < 4e-3
    assert torch.equal(black[:, 0], black[:, 2])


def test_black_pixels_avoid_each_other() -> None:
    black = BlueNoiseSample()(torch.full((8, 1, 96, 96), 9, dtype=torch.uint8), 5, keys(8)) == 0
    beside = (black[..., 1:] & black[..., :-1]).double().mean() / black.double().mean() ** 2
    assert beside < 0.5


@pytest.mark.parametrize("severity", range(1, 6))
def test_brown_noise_is_added(severity) -> None:
    images = torch.full((4, 3, 64, 80), 128, dtype=torch.uint8)
    added = BrownishNoise()(images, severity, keys(4)).double() - 128
    assert torch.allclose(added.std((-2, -1)), torch.tensor(6.4 * severity).double(), rtol=0.15)
