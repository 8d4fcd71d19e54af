import numpy as np
import pytest
import torch

from datamodules.corruptions import spatter
from datamodules.corruptions.kernels.random import draw_normals
from datamodules.corruptions.spatter import Spatter

KEY = torch.tensor([3])


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(96, 128), (71, 45)])
def test_is_the_references_from_the_same_draws(monkeypatch, severity, size):
    """A level of the smoothed field on the other side of a rounding may move an edge: 45 dB instead of a level."""
    reference = pytest.importorskip("imagecorruptions")
    data = pytest.importorskip("skimage.data")
    image = np.ascontiguousarray(data.astronaut()[: size[0], 100 : 100 + size[1]])
    field = draw_normals(KEY, size)[0].double().numpy()
    monkeypatch.setattr(np.random, "normal", lambda size, loc, scale: loc + scale * field)
    expected = reference.corrupt(image, severity, "spatter").astype(float)
    found = (
        Spatter()(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], severity, KEY)[0].permute(1, 2, 0).numpy()
    )
    assert np.square(found - expected).mean() < 255**2 / 10**4.5
    assert (np.abs(found - expected) > 1).mean() < 0.01


def test_a_dry_field_leaves_the_image(monkeypatch):
    monkeypatch.setattr(Spatter, "severities", {**Spatter.severities, "threshold": (10.0,) * 5})
    images = torch.randint(0, 256, (1, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    for severity in (1, 4):
        assert torch.equal(Spatter()(images, severity, KEY), images)


def test_water_is_pale_turquoise_and_mud_is_brown():
    black = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    water = Spatter()(black, 1, KEY).amax((0, 2, 3)).tolist()
    assert water == [int(0.6 * level + 1e-3) for level in spatter.WATER]
    mud = Spatter()(black, 4, KEY).amax((0, 2, 3)).tolist()
    assert all(level - 2 <= found <= level for level, found in zip(spatter.MUD, mud, strict=True))
