import numpy as np
import pytest
import torch
from scipy import ndimage

from datamodules.corruptions.kernels.filters import (
    _sum_shifted_by_gather,
    apply_motion_filter,
    blur_levels,
    clipped_zoom,
    gaussian_filter,
    look_up_motion_shifts,
    sum_shifted,
)

FIELDS = torch.rand(2, 3, 33, 47, generator=torch.Generator().manual_seed(1))
LEVELS = torch.randint(0, 256, (2, 2, 40, 35), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
WORDS = torch.tensor([0, 65535, 30000, 41234], dtype=torch.int32)


@pytest.mark.parametrize("sigma", [0.7, 3.0, (0.4, 2.5), 12.0])
@pytest.mark.parametrize(("border", "mode"), [("replicate", "nearest"), ("reflect", "reflect")])
@pytest.mark.parametrize("truncate", [3.0, 4.0])
def test_gaussian_filter_is_scipys(sigma, border, mode, truncate):
    along = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    expected = ndimage.gaussian_filter(FIELDS.double().numpy(), (0, 0, *along), mode=mode, truncate=truncate)
    assert np.abs(gaussian_filter(FIELDS, sigma, truncate, border).numpy() - expected).max() < 1e-6


@pytest.mark.parametrize("sigma", [0.7, 1, 1.5, 6])
def test_blurred_levels_are_scipys_rounded_down(sigma):
    expected = ndimage.gaussian_filter(LEVELS.double().numpy(), (0, 0, sigma, sigma), mode="nearest")
    found = blur_levels(LEVELS, sigma).numpy()
    assert (np.abs(found - np.floor(expected)) <= 1).all()
    sure = np.abs(expected - np.round(expected)) > 0.02
    assert (found == np.floor(expected))[sure].all()


@pytest.mark.parametrize("level", range(0, 256, 15))
def test_blur_keeps_flat_levels(level):
    flat = torch.full((1, 1, 33, 40), level, dtype=torch.uint8)
    assert torch.equal(blur_levels(flat, 4), flat)


@pytest.mark.parametrize(("low", "high"), [(-45, 45), (-135, -45)])
@pytest.mark.parametrize(("radius", "sigma"), [(10, 3), (20, 15)])
def test_motion_is_the_references(low, high, radius, sigma):
    """Images of 33 px are shorter than the longest motion, which then ends early."""
    reference = pytest.importorskip("imagecorruptions.corruptions")
    fields = FIELDS[:1].expand(4, -1, -1, -1).contiguous()
    found = apply_motion_filter(fields, radius, sigma, WORDS, low, high)
    for image, word in zip(found, WORDS.tolist(), strict=True):
        angle = low + (high - low) * (word + 0.5) / 65536
        expected = reference._motion_blur(FIELDS[0].permute(1, 2, 0).double().numpy(), radius, sigma, angle)
        assert np.abs(image.permute(1, 2, 0).numpy() - expected).max() < 1e-6


def test_motion_without_a_loop_over_images():
    """What other devices run."""
    shifts, weights = look_up_motion_shifts(WORDS, 20, -135, 45), [0.9**step for step in range(41)]
    fields = FIELDS[:1].expand(4, -1, -1, -1).contiguous()
    padded = torch.nn.functional.pad(fields, [40] * 4, mode="replicate")
    gathered = _sum_shifted_by_gather(padded, shifts, weights, 40, (33, 47))
    assert torch.allclose(gathered, sum_shifted(fields, shifts, weights), atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.21, 1.3, 2.0, 4.5])
@pytest.mark.parametrize("size", [(33, 47), (71, 36), (64, 32)])
def test_zoom_is_scipys(factor, size):
    """71 px at 1.21 and 36 px at 1.2 lose their last line to a rounding error."""
    reference = pytest.importorskip("imagecorruptions.corruptions")
    field = torch.rand(1, 2, *size, generator=torch.Generator().manual_seed(3))
    expected = reference.clipped_zoom(field[0].permute(1, 2, 0).double().numpy(), factor)
    found = clipped_zoom(field, factor)[0].permute(1, 2, 0).numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5
