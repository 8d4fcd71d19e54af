"""Operations that move pixels: against Pillow, and the mask beside its image."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from lightning_modules.batch_transforms.operations.drawn import Drawn, apply_to_batch
from lightning_modules.batch_transforms.operations.geometric import make_warp, warp_image, warp_target
from lightning_modules.batch_transforms.operations.operation import Geometric
from lightning_modules.batch_transforms.operations.spaces import AUGMIX_GEOMETRIC, RANDAUGMENT, TRIVIAL_AUGMENT
from lightning_modules.training_batch import TrainingBatch, read_training_batch

H, W = 24, 36
OPERATIONS = {one.name: one for one in RANDAUGMENT if isinstance(one, Geometric)}
COEFFICIENTS: dict[str, Any] = {
    "shear_x": lambda one: (1, one, 0, 0, 1, 0),
    "shear_y": lambda one: (1, 0, 0, one, 1, 0),
    "translate_x": lambda one: (1, 0, round(one * W), 0, 1, 0),
    "translate_y": lambda one: (1, 0, 0, 0, 1, round(one * H)),
}
STRENGTHS = {"rotate": [20.0, -90.0, 7.0], "shear_x": [0.3, -0.2, 0.9], "shear_y": [0.3, -0.2, 0.9]}
SHARES = [0.25, -0.4, 0.1]


def by_pillow(image: Tensor, name: str, strength: float, resample: Image.Resampling) -> Tensor:
    picture = Image.fromarray(image.numpy())
    if name == "rotate":
        moved = picture.rotate(strength, resample)
    else:
        moved = picture.transform((W, H), Image.Transform.AFFINE, COEFFICIENTS[name](strength), resample)
    return torch.from_numpy(np.array(moved))


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_pillows(name: str) -> None:
    """Bilinear for images, where Pillow blends no pixel with the outside; nearest for targets, but for ties."""
    draw = torch.Generator().manual_seed(0)
    image = torch.randint(1, 256, (3, 1, H, W), generator=draw, dtype=torch.uint8)
    strengths = STRENGTHS.get(name, SHARES)
    warp = make_warp(OPERATIONS[name].make_matrix(torch.tensor(strengths), H, W), H, W)
    found, target = warp_image(image / 255, warp), warp_target(image[:, 0], warp)
    for index, strength in enumerate(strengths):
        smooth = by_pillow(image[index, 0], name, strength, Image.Resampling.BILINEAR)
        nearest = by_pillow(image[index, 0], name, strength, Image.Resampling.NEAREST)
        inside = (smooth > 0) & warp.inside[index]
        assert inside.float().mean() > 0.3
        assert (found[index, 0] * 255 - smooth)[inside].abs().max() <= 1.001  # Pillow cuts off decimals
        agree = (target[index] == torch.where(warp.inside[index], nearest, 255)).float().mean()
        assert agree > 0.98
        assert (target[index] == nearest)[inside].float().mean() > 0.98


def ramp() -> dict[str, Any]:
    """Every pixel's values are its row and its column, in the image and in targets of each kind."""
    row, column = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    pixels = torch.stack((row, column, row), -1).repeat(2, 1, 1, 1)
    return {
        "image": pixels.permute(0, 3, 1, 2).to(torch.uint8),
        "mask": column.repeat(2, 1, 1),
        "vessels": row.repeat(2, 1, 1).to(torch.uint8),
        "depth": column.repeat(2, 1, 1).float(),
        "normal": pixels.double(),
        "label": torch.arange(2),
        "place": ["here", "there"],
        "id": ["a", "b"],
        "kinds": {
            "vessels": "classes",
            "depth": "continuous",
            "normal": "continuous",
            "label": "whole",
            "place": "whole",
        },
    }


SPACES = {"randaugment": RANDAUGMENT, "trivial_augment": TRIVIAL_AUGMENT, "augmix": AUGMIX_GEOMETRIC}
MOVES = [(name, one.name) for name, space in SPACES.items() for one in space if one.moves]


@settings(max_examples=12, deadline=None)
@given(magnitude=st.floats(0, 1), sign=st.sampled_from([-1.0, 1.0]))
@pytest.mark.parametrize(("space", "name"), MOVES, ids=[f"{space}-{name}" for space, name in MOVES])
def test_every_target_moves_with_its_image(space: str, name: str, magnitude: float, sign: float) -> None:
    """To half a pixel, the error of the nearest one; outside all of it is unknown and the image black. The other stays."""
    operations = SPACES[space]
    place = [one.name for one in operations].index(name)
    strength = operations[place].compute_strength(torch.tensor([magnitude, 0.0]), torch.tensor([sign, 1.0]))
    given_ = read_training_batch(ramp())
    batch = TrainingBatch(given_.image / 255, given_.targets, given_.kinds)
    found = apply_to_batch(batch, operations, Drawn(torch.tensor([place, -1]), strength))
    image, targets = found.image * 255, found.targets[0].targets
    known = targets["mask"] != 255
    assert known.any()
    assert torch.equal(known, targets["vessels"] != 255)
    assert torch.equal(known, ~targets["depth"].isnan())
    assert torch.equal(known[..., None].expand(-1, -1, -1, 3), ~targets["normal"].isnan())
    assert not image.movedim(1, 3)[~known].any()
    assert (image[:, 1] - targets["mask"])[known].abs().max() <= 0.501
    assert (image[:, 0] - targets["vessels"])[known].abs().max() <= 0.501
    assert torch.equal(targets["depth"][known], targets["mask"][known].float())
    row_and_column = torch.stack((targets["vessels"], targets["mask"]), -1)
    assert torch.equal(targets["normal"][known][:, :2], row_and_column[known].double())
    assert targets["label"].tolist() == [0, 1]
    assert targets["place"] == ["here", "there"]
    for name_, value in given_.targets[0].targets.items():
        assert not isinstance(value, Tensor) or torch.equal(value, ramp()[name_])  # a step may take it again
        assert not isinstance(value, Tensor) or torch.equal(value[1], targets[name_][1])
        assert not isinstance(value, Tensor) or value.dtype == targets[name_].dtype


def test_a_warp_is_exact_under_autocast() -> None:
    matrix = OPERATIONS["rotate"].make_matrix(torch.tensor([33.0]), 300, 300)
    image = torch.rand(1, 3, 300, 300, generator=torch.Generator().manual_seed(0))
    expected = make_warp(matrix, 300, 300)
    with torch.autocast("cpu", torch.bfloat16):
        found = make_warp(matrix, 300, 300)
        moved = warp_image(image, found)
    assert torch.equal(found.x, expected.x)
    assert torch.equal(moved, warp_image(image, expected))
