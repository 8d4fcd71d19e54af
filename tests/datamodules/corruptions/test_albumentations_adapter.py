import os
import subprocess
import sys

import albumentations
import numpy as np
import pytest
import torch
from command_line import ROOT
from scenes import keys, regions, scene

from datamodules.corruptions.albumentations_adapter import AlbumentationsCorruption
from user_error import UserError

BITS = [{"num_bits": bits} for bits in (5, 4, 3, 2, 1)]


def posterised(**changes) -> AlbumentationsCorruption:
    return AlbumentationsCorruption(**{"name": "posterised", "transform": "Posterize", "severities": BITS, **changes})


def test_is_the_transform():
    images = scene(2)
    found = posterised()(images, 3, keys(2))
    wanted = albumentations.Posterize(num_bits=3, p=1)
    for image, expected in zip(images, found, strict=True):
        levels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        assert (wanted(image=levels)["image"] == expected.permute(1, 2, 0).numpy()).all()


def test_draws_follow_from_the_key():
    noise = posterised(transform="GaussNoise", severities=[{"std_range": [0.1, 0.3]}] * 5)
    images = scene(1).expand(3, -1, -1, -1).contiguous()
    first, second, third = noise(images, 1, torch.tensor([7, 8, 7]))
    assert torch.equal(first, third)
    assert not torch.equal(first, second)


def test_a_mask_moves_only_if_told_to():
    images, masks = scene(2), regions(2)
    left, same = posterised(transform="Rotate", severities=[{"limit": [30, 30]}] * 5).apply(images, masks, 1, keys(2))
    both, moved = posterised(
        transform="Rotate", severities=[{"limit": [30, 30], "border_mode": 0}] * 5, moves_mask=True
    ).apply(images, masks, 1, keys(2))
    assert same is masks
    assert not torch.equal(left, images)
    assert not torch.equal(moved, masks)
    assert (moved[:, 0, 0] == 255).all()
    assert (both[:, :, 0, 0] == 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transform": "Nonsense"}, "no transform 'Nonsense'"),
        ({"transform": "Compose"}, "no transform 'Compose'"),
        ({"transform": "os"}, "no transform 'os'"),
        ({"transform": "BasicTransform", "severities": [{}] * 5}, "no transform 'BasicTransform'"),
        ({"transform": "ImageOnlyTransform", "severities": [{}] * 5}, "no transform 'ImageOnlyTransform'"),
        ({"severities": BITS[:4]}, "arguments for 4 severities"),
        ({"severities": [{"bits": 3}] * 5}, r"no argument 'bits'.*num_bits"),
        ({"severities": [{"num_bits": "many"}] * 5}, "refuses"),
        ({"moves_mask": True}, "leaves masks"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(UserError, match=message):
        posterised(**changes)


def test_a_transform_for_colour_alone_says_so():
    iso = posterised(transform="ISONoise", severities=[{}] * 5)
    with pytest.raises(UserError, match="ISONoise cannot take images of 1 channels"):
        iso(scene(1, 1), 1, keys(1))


def test_a_transform_that_changes_the_size_is_refused():
    smaller = posterised(transform="Resize", severities=[{"height": 32, "width": 32}] * 5)
    with pytest.raises(UserError, match="keeps size and type"):
        smaller(scene(1), 1, keys(1))


def test_an_argument_that_would_be_dropped_is_refused():
    """PlasmaShadow's constructor lists `plasma_size`, its schema does not: the value would have no effect."""
    assert "plasma_size" not in albumentations.PlasmaShadow.InitSchema.model_fields
    with pytest.raises(UserError, match="no argument 'plasma_size'"):
        posterised(transform="PlasmaShadow", severities=[{"plasma_size": 64}] * 5)


def test_its_import_does_not_ask_the_network():
    clean = {name: value for name, value in os.environ.items() if name != "NO_ALBUMENTATIONS_UPDATE"}
    code = "import os, datamodules.corruptions.albumentations_adapter; print(os.environ['NO_ALBUMENTATIONS_UPDATE'])"
    done = subprocess.run([sys.executable, "-c", code], env=clean, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
