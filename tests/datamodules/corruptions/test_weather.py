import hypothesis
import numpy as np
import torch
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from datamodules.corruptions.weather import Brightness


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(
    arrays.arrays(
        np.uint8, strategies.tuples(strategies.just(1), strategies.integers(1, 5), *[strategies.just(32)] * 2)
    ),
    strategies.integers(1, 5),
)
def test_is_the_integer_formula(image, severity):
    value = image.max(1, keepdims=True).astype(int)
    scaled = image.astype(int) * np.minimum(2 * value + 51 * severity, 510) // np.maximum(2 * value, 1)
    expected = np.where(value == 0, 51 * severity // 2, scaled)
    met = Brightness()(torch.from_numpy(image.copy()), severity, torch.tensor([0]))
    assert (met.numpy() == expected).all()


def test_is_the_integer_formula_for_every_pair_of_levels():
    x, value = np.mgrid[:256, :256]
    image = np.stack((np.minimum(x, value), value))[None].astype(np.uint8)
    for severity in range(1, 6):
        scaled = image.astype(int) * np.minimum(2 * value + 51 * severity, 510) // np.maximum(2 * value, 1)
        expected = np.where(value == 0, 51 * severity // 2, scaled)
        met = Brightness()(torch.from_numpy(image), severity, torch.tensor([0]))
        assert (met.numpy() == expected).all()
