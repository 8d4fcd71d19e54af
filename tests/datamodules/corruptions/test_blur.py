import cv2
import numpy as np
import pytest
import torch

from datamodules.corruptions.blur import DefocusBlur
from datamodules.corruptions.disc import ONE, softened_disc_sum

severities = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])


def reference_kernel(radius: int, sigma: float) -> np.ndarray:
    """Binary disc on a grid, normalised and softened there: the definition of Hendrycks & Dietterich (2019)."""
    reach, window = (8, 3) if radius <= 8 else (radius, 5)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (rows**2 + columns**2 <= radius**2).astype(np.float64)
    return cv2.GaussianBlur(disc / disc.sum(), (window, window), sigma)


@severities
def test_kernel(severity):
    radius, sigma = DefocusBlur.radii[severity - 1], DefocusBlur.softness[severity - 1]
    side, pad, middle = 31, radius + 1, 15
    field = torch.zeros(side + 2 * pad, side + 2 * pad, dtype=torch.int16)
    field[middle + pad, middle + pad] = 1 << (ONE - 1)  # the response is the kernel in units of two of its weights
    pitch = field.shape[1]
    margin = pad * (pitch + 1)
    response = torch.zeros(field.numel(), dtype=torch.int32)
    response[margin:-margin] = softened_disc_sum(field.view(-1), pitch, radius, sigma)
    kernel = response.view(field.shape)[pad:-pad, pad:-pad].numpy()
    expected = reference_kernel(radius, sigma)
    area = round(1 / reference_kernel(radius, 0.1).max())
    reach = expected.shape[0] // 2
    inside = slice(middle - reach, middle + reach + 1)
    assert np.abs(kernel[inside, inside] / (area << (ONE - 1)) - expected).max() < 3e-6
    assert np.count_nonzero(kernel) == np.count_nonzero(kernel[inside, inside])


@severities
@pytest.mark.parametrize("level", [0, 1, 77, 200, 255])
def test_flat_areas_keep_their_level(severity, level):
    images = torch.full((1, 1, 40, 44), level, dtype=torch.uint8)
    blurred = DefocusBlur()(images, severity, torch.tensor([0]))
    radius, sigma = DefocusBlur.radii[severity - 1], DefocusBlur.softness[severity - 1]
    expected = min(255, int(level * reference_kernel(radius, sigma).sum() + 1e-6))
    assert (blurred == expected).all()


@severities
def test_commutes_with_the_symmetries_of_the_disc(severity):
    images = torch.randint(0, 256, (1, 2, 36, 51), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    blur, key = DefocusBlur(), torch.tensor([0])
    blurred = blur(images, severity, key)
    assert torch.equal(blur(images.flip(2), severity, key), blurred.flip(2))
    assert torch.equal(blur(images.flip(3), severity, key), blurred.flip(3))
    assert torch.equal(blur(images.mT, severity, key), blurred.mT)
