"""Waves, rings and plasma, against the formulas of ImageNet-C-bar for the same draws, in float64 and pixel by pixel."""

import numpy as np
import pytest
import torch
from scenes import keys, scene

from datamodules.corruptions.kernels.perlin import draw_turbulence
from datamodules.corruptions.kernels.random import draw_bits
from datamodules.corruptions.kernels.soft_shapes import draw_between
from datamodules.corruptions.procedural_noise import (
    CocentricSineWaves,
    PerlinNoise,
    PlasmaNoise,
    SingleFrequencyGreyscale,
)

SIZE = (40, 56)
LEVELS = {
    "single_frequency_greyscale": [19.6 * value for value in (1, 1.5, 2, 4.5, 5)],
    "cocentric_sine_waves": [12.8 * value for value in (3, 5, 8, 9, 10)],
    "plasma_noise": [6.4 * value for value in (4.75, 7, 8.5, 9.25, 10)],
    "perlin_noise": [0.05 * value for value in (4.6, 5.2, 5.8, 7.6, 8.8)],
}
"""As the severities of the benchmark translate to the strengths of its functions."""


def agree(found: torch.Tensor, expected: np.ndarray, exempt: float = 0.002) -> bool:
    """Whether all but a few pixels agree within a level, which rounding down of nearly equal numbers may make."""
    apart = np.abs(found.numpy().astype(int) - np.clip(expected, 0, 255).astype(np.uint8).astype(int))
    return bool((apart > 1).mean() <= exempt) and float((apart > 0).mean()) < 0.05


@pytest.mark.parametrize("corruption", [SingleFrequencyGreyscale(), CocentricSineWaves(), PlasmaNoise(), PerlinNoise()])
def test_severities_are_those_of_the_benchmark(corruption) -> None:
    declared = next(iter(corruption.severities.values()))
    assert np.allclose(declared, LEVELS[corruption.name])


@pytest.mark.parametrize("severity", [1, 5])
def test_a_plane_wave_is_added(severity) -> None:
    images, drawn = scene(4, 3, *SIZE), keys(4)
    found = SingleFrequencyGreyscale()(images, severity, drawn)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for image, words in enumerate(draw_bits(drawn, (4,)).tolist()):
        faster = words[0] / 65536 - 0.5
        slower = np.floor(words[1] / 65536 * (2 * abs(faster) * 65536 + 1)) / 65536 - abs(faster)
        down, right = (faster, slower) if words[3] % 2 == 0 else (slower, faster)
        assert max(abs(down), abs(right)) == abs(faster) <= 0.5
        wave = np.sin(2 * np.pi * (down * y + right * x + words[2] / 65536))
        assert agree(found[image], images[image].numpy() + LEVELS["single_frequency_greyscale"][severity - 1] * wave)


@pytest.mark.parametrize("severity", [2, 5])
def test_rings_are_bent_by_the_sine_of_the_angle(severity) -> None:
    images, drawn = scene(4, 3, *SIZE), keys(4)
    found = CocentricSineWaves()(images, severity, drawn)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    for image, draw in enumerate(draw_between(0, 1, drawn, (5,), 0).double().numpy()):
        down, right = y - draw[0] * SIZE[0], x - draw[1] * SIZE[1]
        ring = draw[4] * 4
        distance = np.hypot(down, right) + np.sin(np.arctan2(right, down) * draw[2] * 10) * draw[3] * 4
        rise = np.mod(distance, ring) / ring - 0.5
        # Where the levels fall back at once, rounding decides on which side a pixel lies.
        added = LEVELS["cocentric_sine_waves"][severity - 1] * rise
        assert agree(found[image], images[image].numpy() + added, exempt=0.01)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_plasma_is_folded(channels) -> None:
    images, drawn = scene(4, channels, *SIZE), keys(4)
    found = PlasmaNoise()(images, 3, drawn)
    for image, draw in enumerate(draw_between(0, 1, drawn, (4,), 0).double().numpy()):
        time, damp, unit = draw[0] * 6 * np.pi, 2.25 - (0.5 + draw[1] / 2), (0.075 + draw[2] * 0.125) * SIZE[0]
        y, x = np.mgrid[: SIZE[0], : SIZE[1]] / unit
        for fold in range(4 + int(draw[3] * 3)):
            one = np.cos(y * 1.93**fold + time / 1.15**fold) / damp**fold
            other = np.sin(x * 1.93**fold + time / 1.15**fold) / damp**fold
            x, y = x + one - 0.3 * other, y + other + 0.3 * one
        layers = np.sin([x - time, (x + y + np.sin(time)) / 2, y + time])
        expected = images[image].numpy() * (1 - 54.4 / 255) + 54.4 * layers[[0, 1, 2, 0][:channels]]
        assert agree(found[image], expected)


def test_turbulence_is_a_veil() -> None:
    images, drawn = scene(2, 3, *SIZE), keys(2)
    veil = (draw_turbulence(drawn, *SIZE, SIZE[0] / 7, 5).double().numpy() / 2 + 0.5).clip(0, 1)
    expected = 0.62 * images.numpy() + 0.38 * 255 * veil[:, None]
    assert agree(PerlinNoise()(images, 4, drawn), expected)
