from hashlib import blake2b

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.corruptions.kernels.elastic import draw_displacement, smooth, warp
from datamodules.corruptions.kernels.random import draw_bits

ndimage = pytest.importorskip("scipy.ndimage")
KEYS = torch.tensor([1, 2])


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (100, 64), (128, 127)], ids=str)
def test_smooths_uniform_draws_as_scipy_does(size):
    """Sides of up to 128 px: the reference's algorithm, on our draws."""
    height, width = size
    draws = draw_bits(KEYS, (2, height, width)).numpy() * 2.0 - 65535
    draws *= 0.005 * height / 65536
    sigma = (0, 0, 0.01 * height, 0.01 * width)
    expected = 20 * ndimage.gaussian_filter(draws, sigma, mode="reflect", truncate=3)
    found = draw_displacement(KEYS, height, width, 20.0)
    assert found.dtype == torch.float32
    assert np.abs(found.numpy() - expected).max() < 1e-3 * expected.std()


@pytest.mark.parametrize("side", [129, 160, 256, 500, 512, 1024])
def test_a_lattice_of_draws_keeps_the_covariance(side):
    """Longer sides: the covariance along a line, against that of draws at every pixel, the border included."""
    filters = smooth(torch.eye(128, dtype=torch.float64)[None], side)[0].numpy() / 2**16 * np.sqrt(128 / side)
    expected = ndimage.gaussian_filter1d(np.eye(side), 0.01 * side, axis=0, mode="reflect", truncate=3)
    variance = (expected[side // 2] ** 2).sum()
    assert np.abs(filters @ filters.T - expected @ expected.T).max() < 0.03 * variance


def test_the_border_varies_more_than_the_middle():
    """Mirrored draws are counted twice there, as in the reference."""
    field = draw_displacement(torch.arange(64), 200, 160, 20.0)
    middle = field[:, :, 80:120, 60:100].square().mean()
    assert 1.5 < field[:, :, 0].square().mean() / middle < 2.5
    assert 1.5 < field[..., -1].square().mean() / middle < 2.5


def test_both_directions_scale_with_the_height():
    high, wide = (
        draw_displacement(torch.arange(16), 256, 128, 20.0),
        draw_displacement(torch.arange(16), 128, 256, 20.0),
    )
    for direction in range(2):
        assert high[:, direction].std().item() == pytest.approx(2 * wide[:, direction].std().item(), rel=0.08)


def test_a_field_depends_on_its_key_alone():
    keys = torch.arange(5)
    together = draw_displacement(keys, 150, 133, 30.0)
    for i in range(5):
        assert torch.equal(draw_displacement(keys[i : i + 1], 150, 133, 30.0)[0], together[i])
    assert not torch.equal(together[0, 0], together[0, 1])
    assert not torch.equal(together[0], together[1])


@settings(max_examples=40, deadline=None)
@given(st.integers(32, 80), st.integers(32, 80), st.floats(0, 15), st.integers(0, 99))
def test_warps_as_scipy_does(height, width, deviation, seed):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (2, 3, height, width)).astype(np.uint8)
    places = (random.normal(0, deviation, (2, 2, height, width)).clip(-30, 30) * 256).round() / 256
    found = warp(torch.from_numpy(images), torch.from_numpy(places.astype(np.float32))).numpy()
    rows, columns = np.mgrid[:height, :width]
    for image, (down, right), result in zip(images, places, found, strict=True):
        for plane, level in zip(image, result, strict=True):
            exact = ndimage.map_coordinates(
                plane.astype(float), (rows + down, columns + right), order=1, mode="reflect"
            )
            assert (level == np.floor(exact + 1e-7)).all()


def test_no_displacement_changes_nothing():
    images = torch.randint(0, 256, (2, 4, 40, 51), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(warp(images, torch.zeros(2, 2, 40, 51)), images)


def test_golden_pixels():
    images = torch.arange(3 * 140 * 150, dtype=torch.int32).remainder(251).to(torch.uint8).view(1, 3, 140, 150)
    corrupted = warp(images, draw_displacement(torch.tensor([42]), 140, 150, 20.0))
    assert blake2b(corrupted.numpy().tobytes(), digest_size=8).hexdigest() == "52d4766bc20c6e22"
