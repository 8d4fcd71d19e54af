import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.corruptions.kernels.random import draw_bits
from datamodules.corruptions.kernels.scramble import find_scan_sources


def sequential_sources(key: int, height: int, width: int, reach: int, scans: int) -> np.ndarray:
    """The definition: pixel after pixel, from the last to the first."""
    choices = draw_bits(torch.tensor([key]), (scans, height, width))[0].numpy() * 4 * reach**2 >> 16
    sources = np.arange(height * width).reshape(height, width)
    for chosen in choices:
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                down, right = divmod(int(chosen[row, column]), 2 * reach)
                sources[row, column] = sources[row + down - reach, column + right - reach]
    return sources.ravel()


@settings(max_examples=25, deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.integers(32, 41), st.integers(32, 41), st.integers(1, 4), st.integers(1, 3))
def test_is_the_sequential_scan(key: int, height: int, width: int, reach: int, scans: int):
    keys = torch.tensor([17, key])
    found = find_scan_sources(keys, height, width, reach, scans)
    assert found.dtype == torch.int32
    assert (found[1].numpy() == sequential_sources(key, height, width, reach, scans)).all()


@pytest.mark.parametrize("reach", [1, 2, 3, 4])
def test_offsets_are_uniform(reach: int):
    (sources,) = find_scan_sources(torch.tensor([3]), 256, 256, reach, 1).view(1, 256, 256).numpy()
    rows, columns = np.divmod(sources, 256)
    inner = (rows - np.arange(256)[:, None])[reach + 1 : 257 - reach, reach + 1 : 257 - reach]
    if reach == 1:  # no chains: what is met are the offsets themselves
        assert sorted(np.unique(inner)) == [-1, 0]
        assert abs((inner < 0).mean() - 0.5) < 5 * 0.5 / 254
    else:
        assert inner.min() <= -reach
        assert inner.max() >= reach - 1
    assert (rows[: reach + 1] == np.arange(reach + 1)[:, None]).all()
    assert (columns[:, : reach + 1] == np.arange(reach + 1)).all()
