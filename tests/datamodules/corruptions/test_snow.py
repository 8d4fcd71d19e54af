import numpy as np
import pytest
import torch

from datamodules.corruptions.kernels.random import draw_bits, draw_normals
from datamodules.corruptions.snow import Snow

reference = pytest.importorskip("imagecorruptions")
data = pytest.importorskip("skimage.data")


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(96, 128), (71, 36)])
def test_is_the_references_from_the_same_draws(monkeypatch, severity, size):
    image = np.ascontiguousarray(data.astronaut()[: size[0], 100 : 100 + size[1]])
    key = torch.tensor([12])
    field = draw_normals(key, size)[0].double().numpy()
    angle = -135 + 90 * (draw_bits(key, (1,), stream=1).item() + 0.5) / 65536
    monkeypatch.setattr(np.random, "normal", lambda size, loc, scale: loc + scale * field)
    monkeypatch.setattr(np.random, "uniform", lambda low, high: angle)
    expected = reference.corrupt(image, severity, "snow").astype(int)
    found = Snow()(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], severity, key)[0].permute(1, 2, 0).numpy()
    apart = np.abs(found - expected)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.05


def test_a_grey_image_is_its_own_luma():
    grey = torch.randint(0, 256, (1, 1, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    alone = Snow()(grey, 3, torch.tensor([4]))
    colour = Snow()(grey.expand(-1, 3, -1, -1), 3, torch.tensor([4]))
    assert (alone.int() - colour.int()).abs().max() <= 1
