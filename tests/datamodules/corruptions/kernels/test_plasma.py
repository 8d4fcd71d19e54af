import numpy as np
import pytest
import torch

from datamodules.corruptions.kernels.plasma import draw_plasma
from datamodules.corruptions.kernels.random import draw_uniforms


@pytest.mark.parametrize("side", [32, 128])
@pytest.mark.parametrize("decay", [1.4, 2.0])
def test_is_the_references_from_the_same_draws(monkeypatch, side, decay):
    reference = pytest.importorskip("imagecorruptions.corruptions")
    keys = torch.tensor([5, -9])
    found = draw_plasma(keys, side, decay).numpy()
    for key, heights in zip(keys, found, strict=True):
        draws = iter(draw_uniforms(key[None], (side * side,))[0].mul(2).sub(1).double().numpy())

        def uniform(low, high, shape, draws=draws):
            return high * np.array([next(draws) for _ in range(np.prod(shape))]).reshape(shape)

        monkeypatch.setattr(np.random, "uniform", uniform)
        assert np.abs(reference.plasma_fractal(side, decay) - heights).max() < 1e-5


def test_spans_the_range_and_wraps_around():
    heights = draw_plasma(torch.arange(3), 64, 2.0, stream=4)
    assert heights.shape == (3, 64, 64)
    assert heights.amin((1, 2)).tolist() == [0] * 3
    assert heights.amax((1, 2)).tolist() == [1] * 3
    inside = (heights[:, :, 1:] - heights[:, :, :-1]).abs().mean()
    around = (heights[:, :, 0] - heights[:, :, -1]).abs().mean()
    assert around < 3 * inside
    assert not torch.equal(heights[0], heights[1])
