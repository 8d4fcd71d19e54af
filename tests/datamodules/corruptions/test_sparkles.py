"""Stars, against the formula of ImageNet-C-bar for the same draws, pixel by pixel."""

import numpy as np
import pytest
from scenes import keys, scene

from datamodules.corruptions.kernels.random import draw_bits, draw_normals
from datamodules.corruptions.kernels.soft_shapes import draw_between
from datamodules.corruptions.sparkles import InverseSparkles, Sparkles

SIZE = (36, 44)


def shine(y: int, x: int, centre: np.ndarray, lengths: np.ndarray, rays: int, exponent: float) -> float:
    """The share of one colour at a pixel."""
    down, right = y - centre[0], x - centre[1]
    across = (np.arctan2(down, right) + np.pi) / (2 * np.pi) * rays
    ray = int(across)
    part = across - ray
    length = (1 - part) * lengths[ray % rays] + part * lengths[(ray + 1) % rays]
    light = (length**2 / (down**2 + right**2 + 1e-4)) ** exponent
    return float(np.clip((1 - (part - 0.5) ** 2) * light, 0, 1))


def draw(stars: int, image: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal numbers for the rays of each star, and how many rays it has."""
    normals = draw_normals(keys(2), (stars, 199), 1)[image].double().numpy()
    return normals, 50 + draw_bits(keys(2), (stars,), 2)[image].numpy() * 150 // 65536


@pytest.mark.parametrize("severity", [1, 5])
def test_stars_are_white(severity) -> None:
    images = scene(2, 3, *SIZE)
    found = Sparkles()(images, severity, keys(2)).numpy().astype(int)
    radius = 0.01 * (1, 2, 3, 5, 6)[severity - 1] * SIZE[0]
    centres = draw_between(0, 1, keys(2), (5, 2), 0).double().numpy() * SIZE
    for image in range(2):
        normals, rays = draw(5, image)
        lengths = np.maximum(1, radius * (1 + 0.25 * normals))
        for y, x in np.ndindex(*SIZE):
            level = images[image, :, y, x].numpy().astype(float)
            for star in range(5):
                share = shine(y, x, centres[image, star], lengths[star], rays[star], 1)
                level = level + share * (255 - level)
            assert np.abs(found[image, :, y, x] - np.floor(level)).max() <= 1


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_white_surrounds_an_inverse_star(severity) -> None:
    images = scene(2, 3, *SIZE)
    found = InverseSparkles()(images, severity, keys(2)).numpy().astype(int)
    exponent = 6.5 * (1, 2, 4, 9, 10)[severity - 1] / 50
    centres = draw_between(0.25, 0.75, keys(2), (2,), 0).double().numpy() * SIZE
    for image in range(2):
        normals, rays = draw(1, image)
        lengths = 0.25 * SIZE[0] * (1 + 0.25 * normals[0])
        for y, x in np.ndindex(*SIZE):
            share = shine(y, x, centres[image], lengths, rays[0], exponent)
            level = 255 + share * (images[image, :, y, x].numpy() - 255.0)
            assert np.abs(found[image, :, y, x] - np.floor(level)).max() <= 1


def test_numbers_of_rays_are_between_50_and_199() -> None:
    numbers = 50 + draw_bits(keys(400), (5,), 2).numpy() * 150 // 65536
    assert (numbers.min(), numbers.max()) == (50, 199)
