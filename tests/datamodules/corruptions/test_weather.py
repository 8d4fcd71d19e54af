import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from datamodules.corruptions import weather
from datamodules.corruptions.kernels.plasma import draw_plasma
from datamodules.corruptions.weather import Brightness, Fog


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
    found = Brightness()(torch.from_numpy(image.copy()), severity, torch.tensor([0]))
    assert (found.numpy() == expected).all()


def test_is_the_integer_formula_for_every_pair_of_levels():
    x, value = np.mgrid[:256, :256]
    image = np.stack((np.minimum(x, value), value))[None].astype(np.uint8)
    for severity in range(1, 6):
        scaled = image.astype(int) * np.minimum(2 * value + 51 * severity, 510) // np.maximum(2 * value, 1)
        expected = np.where(value == 0, 51 * severity // 2, scaled)
        found = Brightness()(torch.from_numpy(image), severity, torch.tensor([0]))
        assert (found.numpy() == expected).all()


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(96, 128), (71, 45)])
def test_fog_is_the_references_from_the_same_field(monkeypatch, severity, size):
    reference = pytest.importorskip("imagecorruptions")
    data = pytest.importorskip("skimage.data")
    image = np.ascontiguousarray(data.rocket()[200 : 200 + size[0], 250 : 250 + size[1]])
    key = torch.tensor([21])
    monkeypatch.setattr(
        reference.corruptions,
        "plasma_fractal",
        lambda mapsize, wibbledecay: draw_plasma(key, mapsize, wibbledecay)[0].double().numpy(),
    )
    expected = reference.corrupt(image, severity, "fog").astype(int)
    found = Fog()(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], severity, key)[0].permute(1, 2, 0).numpy()
    apart = np.abs(found - expected)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 1e-3


def test_fog_leaves_black_images_black_and_the_brightest_level_in_range():
    dim = torch.randint(0, 91, (1, 3, 40, 52), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    images = torch.cat((torch.zeros_like(dim), dim))
    for severity in range(1, 6):
        black, foggy = Fog()(images, severity, torch.tensor([3, 4]))
        assert not black.any()
        assert foggy.max() <= 90
        assert foggy.min() < foggy.max()


def test_the_fog_of_an_image_does_not_depend_on_how_many_are_drawn_together(monkeypatch):
    images = torch.randint(0, 256, (5, 3, 40, 52), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    keys = torch.arange(5)
    together = Fog()(images, 2, keys)
    for values in (1, 2 * 64**2):
        monkeypatch.setattr(weather, "FIELDS", values)
        assert torch.equal(Fog()(images, 2, keys), together)
