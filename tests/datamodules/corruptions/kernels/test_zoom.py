from math import ceil

import numpy as np
import pytest
import torch
from scipy import ndimage

from datamodules.corruptions.kernels import zoom
from datamodules.corruptions.kernels.zoom import average_zooms

FACTORS = (1.02, 1.21, 1.3)
sizes = pytest.mark.parametrize("size", [(33, 47), (71, 36), (64, 32)])


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def mean_of_zooms(plane: np.ndarray) -> np.ndarray:
    """The definition, in float64; the image counts twice."""
    (height, width), total = plane.shape, 2 * plane
    for factor in FACTORS:
        crops = [ceil(length / factor) for length in plane.shape]
        top, left = ((length - crop) // 2 for length, crop in zip(plane.shape, crops, strict=True))
        crop = plane[top : top + crops[0], left : left + crops[1]]
        total = total + ndimage.zoom(crop, factor, order=1)[:height, :width]
    return total / (len(FACTORS) + 2)


@sizes
def test_is_the_mean_of_scipys_zooms(size):
    """71 px at 1.21 loses its last line to a rounding error."""
    images = noise(2, 3, *size)
    found = average_zooms(images, FACTORS)
    for planes, wanted in zip(images.flatten(0, 1).double().numpy(), found.flatten(0, 1).numpy(), strict=True):
        expected = mean_of_zooms(planes)
        sure = np.abs(expected - np.round(expected)) > 2e-3
        assert sure.mean() > 0.9
        assert (wanted == np.floor(expected))[sure].all()
        assert np.abs(wanted - np.floor(expected)).max() <= 1


@sizes
@pytest.mark.parametrize("capacity", [1, 5000])
def test_blocks_change_nothing(size, capacity, monkeypatch):
    images = noise(3, 2, *size)
    expected = average_zooms(images, FACTORS)
    monkeypatch.setattr(zoom, "CPU_CAPACITY", capacity)
    assert torch.equal(average_zooms(images, FACTORS), expected)


@pytest.mark.parametrize("level", range(0, 256, 5))
def test_flat_areas_keep_their_level(level):
    flat = torch.full((1, 1, 40, 44), level, dtype=torch.uint8)
    assert torch.equal(average_zooms(flat, FACTORS), flat)
