import cv2
import numpy as np
import pytest
import torch

from datamodules.corruptions import blur as blurs
from datamodules.corruptions.base import Corruption
from datamodules.corruptions.blur import DefocusBlur, GaussianBlur, GlassBlur, MotionBlur, ZoomBlur
from datamodules.corruptions.kernels.disc import ONE, sum_softened_disc
from datamodules.corruptions.kernels.filters import blur_levels
from datamodules.corruptions.kernels.random import draw_bits

severities = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])


def reference_kernel(radius: int, sigma: float) -> np.ndarray:
    """Binary disc on a grid, normalised and softened there: the definition of Hendrycks & Dietterich (2019)."""
    reach, window = (8, 3) if radius <= 8 else (radius, 5)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (rows**2 + columns**2 <= radius**2).astype(np.float64)
    return cv2.GaussianBlur(disc / disc.sum(), (window, window), sigma)


@severities
def test_kernel(severity):
    radius, sigma = DefocusBlur().look_up(severity).values()
    side, pad, middle = 31, radius + 1, 15
    field = torch.zeros(side + 2 * pad, side + 2 * pad, dtype=torch.int16)
    field[middle + pad, middle + pad] = 1 << (ONE - 1)  # the response is the kernel in units of two of its weights
    pitch = field.shape[1]
    margin = pad * (pitch + 1)
    response = torch.zeros(field.numel(), dtype=torch.int32)
    response[margin:-margin] = sum_softened_disc(field.view(-1), pitch, radius, sigma)
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
    radius, sigma = DefocusBlur().look_up(severity).values()
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


def photo(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8."""
    return np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut()[40 : 40 + height, 150 : 150 + width])


def corrupted(image: np.ndarray, blur: Corruption, severity: int, key: int) -> np.ndarray:
    planes = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
    return blur(planes, severity, torch.tensor([key]))[0].permute(1, 2, 0).numpy()


sizes = pytest.mark.parametrize("size", [(96, 130), (65, 47)])


@severities
@sizes
@pytest.mark.parametrize("blur", [GaussianBlur(), ZoomBlur()], ids=lambda blur: blur.name)
def test_differs_from_the_reference_by_rounding(blur, severity, size):
    corrupt = pytest.importorskip("imagecorruptions").corrupt
    image = photo(*size)
    apart = np.abs(corrupted(image, blur, severity, 0) - corrupt(image, severity, blur.name).astype(int))
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.02


@severities
@sizes
def test_moves_as_the_reference_does_at_the_same_angle(severity, size):
    reference = pytest.importorskip("imagecorruptions.corruptions")
    image, blur = photo(*size), MotionBlur()
    for key in range(3):
        ratio = (draw_bits(torch.tensor([key]), (1,)).item() + 0.5) / 65536
        expected = reference._motion_blur(image, *blur.look_up(severity).values(), 90 * ratio - 45)
        apart = np.abs(corrupted(image, blur, severity, key) - expected.clip(0, 255).astype(np.uint8).astype(int))
        assert apart.max() <= 1
        assert (apart > 0).mean() < 0.01


@severities
def test_glass_copies_pixel_after_pixel(severity):
    """The steps of the definition, with a plain loop over the pixels."""
    sigma, reach, scans = GlassBlur().look_up(severity).values()
    height, width, keys = 34, 39, torch.tensor([7])
    images = torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(8))
    levels = blur_levels(images, sigma)[0].numpy()
    for chosen in draw_bits(keys, (scans, height, width))[0].numpy() * 4 * reach**2 >> 16:
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                down, right = divmod(int(chosen[row, column]), 2 * reach)
                levels[:, row, column] = levels[:, row + down - reach, column + right - reach]
    expected = blur_levels(torch.from_numpy(levels)[None], sigma)
    assert torch.equal(GlassBlur()(images, severity, keys), expected)


@severities
@sizes
def test_glass_has_the_references_distribution(severity, size):
    """Mean statistics over draws within one standard deviation of a single draw of the reference."""
    corrupt = pytest.importorskip("imagecorruptions").corrupt
    image, draws = photo(*size), 32

    def statistics(results: list[np.ndarray]) -> np.ndarray:
        residuals = [result - image.astype(np.float64) for result in results]
        return np.array([(one.mean(), one.std(), 10 * np.log10(255**2 / np.square(one).mean())) for one in residuals])

    wanted = statistics([corrupt(image, severity, "glass_blur", seed=draw) for draw in range(draws)])
    found = statistics([corrupted(image, GlassBlur(), severity, draw) for draw in range(draws)])
    assert (np.abs(found.mean(0) - wanted.mean(0)) < wanted.std(0, ddof=1)).all()


@severities
def test_images_zoomed_together_change_nothing(severity, monkeypatch):
    images = torch.randint(0, 256, (7, 3, 36, 51), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    expected = ZoomBlur()(images, severity, torch.arange(7))
    monkeypatch.setattr(blurs, "TOGETHER", 6)
    assert torch.equal(ZoomBlur()(images, severity, torch.arange(7)), expected)
