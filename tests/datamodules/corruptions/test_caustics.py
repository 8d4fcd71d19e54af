"""Caustics, against the formulas of ImageNet-C-bar, pixel by pixel with vectors and rotations as there."""

import numpy as np
import pytest
from scenes import keys, scene
from scipy.ndimage import gaussian_filter, map_coordinates

from datamodules.corruptions.caustics import CausticRefraction, draw_caustics
from datamodules.corruptions.kernels.soft_shapes import draw_between

SIZE = (36, 44)
SEVERITIES = (2.35, 3.2, 4.9, 6.6, 9.15)


def compute_pattern(period: float, time: float) -> np.ndarray:
    """The caustics in float64."""
    p = np.mgrid[: SIZE[0], : SIZE[1]] / period % 1 * 2 * np.pi - 250
    i, c = p.copy(), np.ones(SIZE)
    for n in range(5):
        t = time * (1 - 3.5 / (n + 1))
        i = p + np.stack([np.cos(t - i[0]) + np.sin(t + i[1]), np.sin(t - i[1]) + np.cos(t + i[0])])
        c += 1 / np.hypot(p[0] / (np.sin(i[0] + t) / 0.005), p[1] / (np.cos(i[1] + t) / 0.005))
    return np.clip(np.abs(1.17 - (c / 5) ** 1.4) ** 8, 0, 1)


def refract(normal: np.ndarray) -> np.ndarray:
    """The direction of a ray from above behind a surface of this normal."""
    incident = np.array([0, 0, 1.0])
    if abs(incident @ normal) >= 1 - 1e-3:
        return incident
    angle = np.arcsin(np.sin(np.arccos(incident @ normal)) / 4)
    axis = np.cross(incident, normal)
    axis /= np.linalg.norm(axis)
    return np.cos(angle) * normal + np.sin(angle) * np.cross(normal, axis)


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_light_is_refracted_and_focused(severity) -> None:
    images = scene(3, 2, *SIZE)
    found = CausticRefraction()(images, severity, keys(3))
    strength = SEVERITIES[severity - 1]
    for image, (size, time) in enumerate(draw_between(0, 1, keys(3), (2,), 0).double().numpy()):
        pattern = gaussian_filter(compute_pattern((0.75 + size / 2) * SIZE[0], 0.5 + 1.5 * time), 1)
        padded = np.pad(pattern, 1)
        slopes = np.stack([padded[2:, 1:-1] - padded[:-2, 1:-1], padded[1:-1, 2:] - padded[1:-1, :-2]])
        places = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
        for y, x in np.ndindex(*SIZE):
            normal = np.array([*slopes[:, y, x], 1]) / np.sqrt(1 + (slopes[:, y, x] ** 2).sum())
            places[:, y, x] += np.round(refract(normal) * strength * 0.05 * SIZE[0], 3)[:2]
        light = (slopes[0] - slopes[1]) * strength * 0.2
        for channel in range(2):
            framed = np.pad(images[image, channel].numpy() / 255.0, 1)
            level = map_coordinates(framed, places + 1, order=1, mode="grid-constant") + light
            apart = np.abs(found[image, channel].numpy() - np.floor(255 * level.clip(0, 1)))
            assert (apart > 1).mean() < 0.01


def test_the_pattern_is_what_the_waves_make() -> None:
    period, time = (draw_between(low, high, keys(3), (1, 1), 0) for low, high in ((27, 45), (0.5, 2)))
    found = draw_caustics(SIZE, period, time)
    for image in range(3):
        expected = compute_pattern(period[image].item(), time[image].item())
        assert np.abs(found[image].numpy() - expected).mean() < 2e-3


def test_a_flat_surface_refracts_nothing() -> None:
    assert refract(np.array([0.01, 0, np.sqrt(1 - 1e-4)])).tolist() == [0, 0, 1]
