from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.corruptions import frost
from datamodules.corruptions.frost import PHOTOS, Frost, find_photos
from datamodules.corruptions.kernels.random import draw_bits
from experiments.sweeping.suite import Suite
from user_error import UserError

reference = pytest.importorskip("imagecorruptions")
data = pytest.importorskip("skimage.data")


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(96, 128), (500, 640)])
def test_is_the_references_from_the_same_draws(monkeypatch, severity, size):
    image = np.ascontiguousarray(np.tile(data.astronaut(), (1, 2, 1))[: size[0], 100 : 100 + size[1]])
    key = torch.tensor([severity])
    words = draw_bits(key, (3,))[0].tolist()

    draws = iter(words)
    monkeypatch.setattr(
        np.random,
        "randint",
        lambda low, high=None: low * next(draws) >> 16 if high is None else low + ((high - low) * next(draws) >> 16),
    )
    expected = reference.corrupt(image, severity, "frost")
    found = Frost()(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], severity, key)[0].permute(1, 2, 0).numpy()
    assert (found == expected).all()


def test_other_numbers_of_channels_get_the_luma_of_the_frost():
    black = torch.zeros(1, 2, 40, 50, dtype=torch.uint8)
    found = Frost()(black, 5, torch.tensor([8]))[0].double()
    colour = Frost()(black[:, :1].expand(-1, 3, -1, -1), 5, torch.tensor([8]))[0].double()
    assert torch.equal(found[0], found[1])
    luma = 0.2989 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    assert (found[0] - luma).abs().max() < 2


def test_all_photos_are_drawn():
    chosen = [words[0] * len(PHOTOS) >> 16 for words in draw_bits(torch.arange(600), (3,)).tolist()]
    counts = np.bincount(chosen, minlength=6)
    assert counts.min() > 60


def test_a_folder_that_the_user_names(tmp_path: Path, monkeypatch):
    installed = find_photos()
    for name in PHOTOS[:-1]:
        (tmp_path / name).write_bytes((installed / name).read_bytes())
    with pytest.raises(UserError, match="lacks the frost photograph frost6"):
        Frost(str(tmp_path)).describe_parameters(1)
    (tmp_path / PHOTOS[-1]).write_bytes((installed / PHOTOS[0]).read_bytes())
    assert Frost(str(tmp_path)).describe_parameters(1) != Frost().describe_parameters(1)
    monkeypatch.setenv(frost.VARIABLE, str(tmp_path))
    assert find_photos() == tmp_path
    assert str(tmp_path) not in str(Frost().describe_parameters(1))


def test_without_photos_a_suite_says_so_at_once(monkeypatch):
    monkeypatch.setattr(frost, "_find_installed_photos", lambda: None)
    monkeypatch.delenv(frost.VARIABLE, raising=False)
    with pytest.raises(UserError, match=r"photographs.*FROST_PHOTOS.*FrostProcedural"):
        Suite("cold", 1, [Frost()]).make_manifest(None)


def test_a_photo_that_is_none(tmp_path: Path):
    for name in PHOTOS:
        (tmp_path / name).write_text("no picture")
    with pytest.raises(UserError, match="cannot be read"):
        Frost(str(tmp_path))(torch.zeros(1, 3, 40, 40, dtype=torch.uint8), 1, torch.tensor([0]))
