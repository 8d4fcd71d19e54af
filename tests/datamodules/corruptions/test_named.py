"""`corrupt`: images of any form, the very pixels of a sweep, and a sentence for what cannot be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from command_line import ROOT
from scenes import regions, scene

from datamodules.corruptions import corrupt, find_corruption, list_corruptions
from datamodules.corruptions.conditions import Corrupted
from datamodules.corruptions.noise import GaussianNoise
from experiments.sweeping.suite import Suite
from user_error import UserError

SUITES = sorted((ROOT / "experiments/configs/suite").glob("*.yaml"))


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_names_are_those_of_suites(path: Path) -> None:
    given = yaml.safe_load(path.read_text()).get("parameters", {})
    for one in Suite.from_yaml(path).corruptions:
        if isinstance(getattr(type(one), "name", None), str):  # a transform of albumentations is named by its suite
            assert type(find_corruption(one.name)) is type(one)
            same = find_corruption(one.name).describe_parameters(3) == one.describe_parameters(3)
            assert same or one.name in given


def test_pixels_are_those_of_a_sweep() -> None:
    images, masks, ids = scene(3), regions(3), ["a", "b", "c"]
    for name in ("gaussian_noise", "fog", "rotation_mask_moved", "background_replaced"):
        wanted, moved = Corrupted(find_corruption(name), 4)(images, masks, ids, 7)
        for mask in (masks, masks.to(torch.uint8)):
            found, kept = corrupt(images, name, 4, seed=7, image_id=ids, mask=mask)
            assert torch.equal(found, wanted)
            assert torch.equal(kept.long(), moved)
            assert kept.dtype == mask.dtype
        for place, one in enumerate(ids):  # alone, and as an array
            found, kept = corrupt(images[place], name, 4, seed=7, image_id=one, mask=masks[place])
            assert torch.equal(found, wanted[place])
            assert torch.equal(kept, moved[place])
            array = images[place].permute(1, 2, 0).numpy()
            drawn, labels = corrupt(array, name, 4, seed=7, image_id=one, mask=masks[place].numpy())
            np.testing.assert_array_equal(drawn, wanted[place].permute(1, 2, 0).numpy())
            np.testing.assert_array_equal(labels, moved[place].numpy())


def test_ids_default_to_positions_and_seeds_to_zero() -> None:
    images = scene(2)
    assert torch.equal(corrupt(images, "fog", 2), corrupt(images, "fog", 2, image_id=["0", "1"], seed=0))
    assert torch.equal(corrupt(images, "fog", 2)[0], corrupt(images[0], "fog", np.int64(2)))
    assert torch.equal(corrupt(images, GaussianNoise(), 1), corrupt(images, "gaussian_noise", 1))


def test_what_is_handed_over_is_not_changed() -> None:
    grey = scene(1, channels=1)
    for name in list_corruptions():
        before = grey.clone()
        # one that is defined for colours leaves them as they are
        found = corrupt(grey, name, 5, mask=regions(1), depth=regions(1) + 1.0)[0]
        assert found.data_ptr() != grey.data_ptr()
        assert torch.equal(grey, before)


IMAGE = np.zeros((40, 40, 3), np.uint8)


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((IMAGE, "foog", 3), {}, "no corruption 'foog': give one of fog"),
        ((IMAGE, 3, "fog"), {}, "int is no corruption"),
        ((IMAGE, "fog", 0), {}, "no severity 0"),
        ((IMAGE, "fog", True), {}, "no severity True"),
        ((IMAGE, "fog", 2.0), {}, "no severity 2.0"),
        ((IMAGE / 255, "fog", 3), {}, "8-bit images"),
        ((IMAGE[..., 0], "fog", 3), {}, "of shape \\(40, 40\\)"),
        (([1, 2], "fog", 3), {}, "met list"),
        ((IMAGE[:20], "fog", 3), {}, "20 x 40 pixels"),
        ((IMAGE, "background_replaced", 3), {}, "pass its mask"),
        ((IMAGE, "fog_3d", 3), {}, "fog_3d depends on the depth of each pixel: pass it as depth="),
        ((IMAGE, "fog_3d", 3), {"depth": IMAGE[:9, :, 0] / 2}, "fog_3d met a depth of torch.float32 of shape"),
        ((IMAGE, "fog_3d", 3), {"depth": IMAGE[..., 0]}, "one floating-point number for each pixel"),
        ((IMAGE, "fog_3d", 3), {"depth": "far"}, "fog_3d met a depth of str"),
        ((IMAGE, "fog_3d", 3), {"depth": np.array([[None]])}, "fog_3d met a depth of object"),
        ((IMAGE, "fog_3d", 3), {"depht": IMAGE[..., 0] / 2}, "fog_3d takes no 'depht': pass mask, depth"),
        ((IMAGE, "fog", 3), {"mask": IMAGE[:9, :, 0]}, "of the size of the image"),
        ((IMAGE, "fog", 3), {"mask": IMAGE[..., 0] / 2}, "whole numbers"),
        ((IMAGE, "fog", 3), {"image_id": 7}, "image_id is 7"),
        ((scene(2), "fog", 3), {"image_id": "ab"}, "the id of each"),
    ],
)
def test_wrong_arguments_get_a_sentence(arguments: Any, options: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        corrupt(*arguments, **options)
