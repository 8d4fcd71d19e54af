"""SSIM, against scikit-image."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from experiments.measuring.similarity import compute_ssim


@pytest.mark.parametrize("shape", [(40, 56, 3), (33, 7, 1), (64, 64, 4)])
def test_it_is_that_of_scikit_image(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, shape, dtype=np.uint8)
    other = np.clip(one + rng.normal(0, 40, shape), 0, 255).astype(np.uint8)
    expected = structural_similarity(one, other, channel_axis=-1, data_range=255)
    assert abs(compute_ssim(one, other) - expected) < 1e-9
    assert compute_ssim(one, one) == 1
