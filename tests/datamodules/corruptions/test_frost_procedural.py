import numpy as np
import pytest
import torch

from datamodules.corruptions.frost_procedural import (
    PLACES,
    FrostProcedural,
    _compute_magnification,
    _compute_rim,
    _draw_places,
    _make_windows,
)
from datamodules.corruptions.kernels.ice import PLATES, SIZE
from datamodules.corruptions.kernels.random import draw_bits

CPU = torch.device("cpu")


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(40, 57), (96, 64)])
def test_is_the_mixture_of_a_crop(severity, size):
    """Against slices of NumPy and the mixing of the reference."""
    random = torch.Generator().manual_seed(severity)
    images = torch.randint(0, 256, (6, 3, *size), dtype=torch.uint8, generator=random)
    keys = torch.arange(6)
    found = FrostProcedural()(images, severity, keys).numpy()
    windows = _make_windows(1.0, True, CPU).numpy()
    (a, b, rim), (height, width) = FrostProcedural().look_up(severity).values(), size
    factors = _compute_rim(*size, rim, CPU).numpy().astype(int)
    mirrored = set()
    for image, result, words in zip(images.numpy(), found, draw_bits(keys, (4,)).tolist(), strict=True):
        top, left = words[1] * (SIZE[0] - height) >> 16, words[2] * (SIZE[1] - width) >> 16
        crop = windows[words[0] * len(PLATES) >> 16, :, top : top + height, left : left + width]
        mirrored.add(words[3] & 1)
        crop = crop[:, :, ::-1] if words[3] & 1 else crop
        frost = np.minimum(crop * factors // (1 << PLACES), 255)
        assert (result == np.clip(a * image.astype(float) + b * frost, 0, 255).astype(np.uint8)).all()
    assert mirrored == {0, 1}


def test_ice_is_brighter_at_the_border():
    factors = _compute_rim(120, 90, 0.5, CPU)
    assert factors[0, 40] == factors[-1, 40] == factors[60, 0] == 1.5 * (1 << PLACES)
    assert (factors[:60, 45].diff() <= 0).all()
    assert factors[60, 45] < 1.05 * (1 << PLACES)
    most = int(_compute_rim(32, 32, max(FrostProcedural.severities["rim"]), CPU).max())
    assert 255 * most < 1 << 15  # 16 bits hold the product


@pytest.mark.parametrize("size", [(600, 740), (40, 900), (1024, 2048)])
def test_windows_cover_large_images(size):
    magnification = _compute_magnification(*size)
    rows, columns = (int(length * magnification) for length in SIZE)
    assert min(rows / size[0], columns / size[1]) >= 1.1
    assert _compute_magnification(224, 224) == 1
    extremes = torch.tensor([[0, 0, 0, 0], [65535, 65535, 65535, 1]], dtype=torch.int32)
    windows = torch.empty((len(PLATES), 3, rows, columns), dtype=torch.uint8, device="meta")
    places = _draw_places(extremes, windows, 40, 50)
    assert places.min() == 0
    assert places.max() < windows.numel()
    assert (places[:, 1] - places[:, 0] == rows * columns).all()


def test_enlarges_the_windows():
    images = torch.zeros(1, 1, 620, 300, dtype=torch.uint8)
    assert _make_windows(_compute_magnification(620, 300), False, CPU).shape == (
        len(PLATES),
        1,
        int(544 * 1.5),
        int(736 * 1.5),
    )
    frozen = FrostProcedural()(images, 1, torch.tensor([4])).double()
    assert frozen.std() > 5


def test_other_numbers_of_channels_get_the_luma_of_the_frost():
    black = torch.zeros(1, 2, 40, 50, dtype=torch.uint8)
    found = FrostProcedural()(black, 1, torch.tensor([8]))[0].double()
    colour = FrostProcedural()(black[:, :1].expand(-1, 3, -1, -1), 1, torch.tensor([8]))[0].double()
    assert torch.equal(found[0], found[1])
    luma = 0.2989 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    assert (found[0] - luma).abs().max() < 2
