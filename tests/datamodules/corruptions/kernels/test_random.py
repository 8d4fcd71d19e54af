import itertools

import numpy as np
import pytest
import torch

from datamodules.corruptions.base import draw_key
from datamodules.corruptions.kernels.random import draw_bits

KEYS = torch.tensor([draw_key(0, str(i), "test", 1) for i in range(4)])
SIZE = 1 << 17


def chi_square(values: np.ndarray, bins: int) -> float:
    """In standard deviations from its mean."""
    counts = np.bincount(values, minlength=bins)
    expected = len(values) / bins
    return float((((counts - expected) ** 2 / expected).sum() - (bins - 1)) / np.sqrt(2 * (bins - 1)))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """In standard deviations of independent draws."""
    return float(np.corrcoef(a, b)[0, 1] * np.sqrt(len(a)))


@pytest.mark.parametrize("stream", [0, 1])
@pytest.mark.parametrize("places", [0, 4, 8])
def test_words_are_uniform(stream, places):
    for words in draw_bits(KEYS, (SIZE,), stream).numpy():
        assert words.min() >= 0
        assert words.max() <= 0xFFFF
        for half in (words[: SIZE // 2], words[SIZE // 2 :]):
            assert abs(chi_square((half >> places) & 0xFF, 256)) < 5


def test_every_bit_is_fair():
    words = draw_bits(KEYS, (SIZE,)).numpy()
    for bit in range(16):
        ratio = ((words >> bit) & 1).mean()
        assert abs(ratio - 0.5) * 2 * np.sqrt(words.size) < 5


@pytest.mark.parametrize("lag", [1, 2, 3, 256, 768, SIZE // 2])
def test_positions_are_independent(lag):
    for words in draw_bits(KEYS, (SIZE,)).numpy():
        assert abs(correlation(words[:-lag], words[lag:])) < 5
        neighbours = (words[:-lag] >> 12) * 16 + (words[lag:] >> 12)
        assert abs(chi_square(neighbours, 256)) < 5


def test_keys_and_streams_are_independent():
    close = torch.tensor([0, 1, 2, -1, 1 << 32, 3 << 32, -(1 << 63)])  # keys that differ in few bits
    fields = [
        *draw_bits(close, (SIZE,)).numpy(),
        *draw_bits(KEYS, (SIZE,)).numpy(),
        *draw_bits(KEYS[:1], (SIZE,), stream=1).numpy(),
        *draw_bits(KEYS[:1], (SIZE,), stream=2).numpy(),
    ]
    for one, other in itertools.combinations(fields, 2):
        assert abs(correlation(one, other)) < 5
        assert abs(chi_square((one >> 12) * 16 + (other >> 12), 256)) < 5.5


def test_golden_values():
    keys = torch.tensor([0, 1, -6148914691236517206])
    assert draw_bits(keys, (2, 3)).flatten(1).tolist() == [
        [29235, 61095, 760, 44743, 63854, 59168],
        [10155, 17036, 63586, 53788, 13963, 58126],
        [43606, 26837, 49832, 54036, 27818, 35199],
    ]
    assert draw_bits(keys[1:2], (4,), stream=3).tolist() == [[37565, 49410, 39065, 51229]]
    assert draw_key(0, "a/b.png", "gaussian_noise", 3) == -6973933805390817194


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 33, 47), (1,)])
def test_a_field_does_not_depend_on_its_batch(shape):
    together = draw_bits(KEYS, shape)
    assert together.shape == (4, *shape)
    assert together.dtype == torch.int32
    for i in range(4):
        assert torch.equal(together[i : i + 1], draw_bits(KEYS[i : i + 1], shape))


def test_draw_keys_are_unambiguous():
    draws = [
        (0, "a", "fog", 1), (0, "a", "fog", 2), (0, "a", "frost", 1), (0, "b", "fog", 1), (1, "a", "fog", 1),
        (0, "a,fog", "fog", 1), (0, 'a", "fog', "fog", 1), (0, "a/fog", "1", 1), (0, "", "fog", 1), (0, "ä", "fog", 1),
        (-1, "a", "fog", 1), (10, "a", "fog", 1), (1, "0a", "fog", 1),
    ]  # fmt: skip
    keys = {draw_key(*draw) for draw in draws}
    assert len(keys) == len(draws)
    assert all(-(1 << 63) <= key < 1 << 63 for key in keys)
