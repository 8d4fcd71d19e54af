import numpy as np
import pytest
import torch

from datamodules.corruptions.kernels.soft_shapes import (
    blend,
    draw_clusters,
    draw_directions,
    make_grid,
    render_maximum,
    smoothstep,
)

KEYS = torch.tensor([3, -8, 1 << 40])


def cone(rows, columns):
    return (1 - (rows * rows + columns * columns).sqrt() / 4.5).clamp(min=0)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 47)])
def test_largest_is_the_maximum_over_the_shapes(height, width):
    places = torch.tensor([[[0.0, 0.0], [0.5, 0.5], [0.52, 0.55], [0.999, 0.2], [0.3, 0.999]], [[0.7, 0.1]] * 5])
    field = render_maximum((height, width), places, 5, cone, torch.float32)
    rows, columns = np.mgrid[:height, :width]
    for image, found in zip(places.numpy(), field.numpy(), strict=True):
        cones = [1 - np.hypot(rows + 0.5 - row * height, columns + 0.5 - column * width) / 4.5 for row, column in image]
        assert np.abs(np.max(cones, 0).clip(0) - found).max() < 1e-5


def test_largest_does_not_depend_on_the_order():
    places = draw_clusters(KEYS, 40, 3, 0.1, stream=0)
    field = render_maximum((40, 50), places, 5, cone, torch.float32)
    assert torch.equal(render_maximum((40, 50), places.flip(1), 5, cone, torch.float32), field)


def test_clusters_stay_together_and_inside():
    places = draw_clusters(KEYS, 300, 3, 0.02, stream=0)
    assert places.min() >= 0
    assert places.max() < 1
    for first in range(3):
        assert places[:, first::3].std(1).max() < 0.03
    assert (places[:, 0] - places[:, 1]).abs().amin() > 0


def test_directions_are_unit_vectors_all_around():
    cosine, sine = draw_directions(KEYS, (2000,), stream=0)
    assert (cosine.square() + sine.square() - 1).abs().max() < 1e-6
    assert cosine.mean(1).abs().max() < 0.1
    assert sine.mean(1).abs().max() < 0.1


def test_grid_is_symmetric_and_as_long_as_the_shorter_side():
    rows, columns = make_grid(32, 64, torch.device("cpu"))
    assert torch.equal(rows, -rows.flip(0))
    assert torch.equal(columns, -columns.flip(1))
    assert rows.max().item() == pytest.approx(0.5 - 0.5 / 32)
    assert columns.max().item() == pytest.approx(1 - 0.5 / 32)


def test_rise_is_a_monotone_step():
    steps = smoothstep(torch.linspace(-1, 2, 301), 0.0, 1.0)
    assert (steps[:101] == 0).all()
    assert (steps[200:] == 1).all()
    assert (steps.diff() >= 0).all()
    assert steps[150].item() == pytest.approx(0.5, abs=1e-6)


def test_blended_rounds_to_the_nearest_level():
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    opacity = torch.rand(16, 16, generator=torch.Generator().manual_seed(0))
    exact = images.double() * (1 - opacity.double()) + 90 * opacity.double()
    assert (blend(images, 90, opacity).double() - exact).abs().max() <= 0.5 + 1e-5
    assert torch.equal(blend(images, 90, torch.zeros(16, 16)), images)
    assert (blend(images, 90, torch.ones(16, 16)) == 90).all()
