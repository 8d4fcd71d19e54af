from typing import Any

import pytest
import torch

from lightning_modules.batch_transforms.cutmix import CutMix, paste
from lightning_modules.batch_transforms.partners import draw_partners
from lightning_modules.draws import make_step_generator
from lightning_modules.labels import IGNORED
from lightning_modules.training_batch import read_training_batch
from user_error import UserError

B, H, W = 6, 16, 20
KINDS = {"depth": "continuous", "normal": "continuous", "vessels": "classes", "label": "whole", "age": "whole"}


def numbered() -> dict[str, Any]:
    """Every pixel tells its image, and the mask, the depth and the image agree; one image is ignored."""
    image = torch.arange(B, dtype=torch.uint8)[:, None, None, None].expand(B, 3, H, W).clone()
    mask = image[:, 0].long()
    mask[1] = IGNORED
    return {
        "image": image,
        "mask": mask,
        "depth": image[:, 0].float(),
        "normal": image.movedim(1, 3).double(),  # as wide as an image is where its last side is the channels
        "vessels": image[:, 0].clone(),
        "label": torch.arange(B),
        "age": torch.arange(B).float(),
        "id": [str(index) for index in range(B)],
        "kinds": KINDS,
    }


def mixed(step: int = 0, **settings: Any) -> dict[str, Any]:
    given = read_training_batch(numbered())
    found = CutMix(**settings)(given, torch.Generator().manual_seed(step))
    assert len(found.targets) == 1
    assert found.targets[0].weight == 1
    assert torch.equal(given.image, numbered()["image"])  # a step may take it again
    return {**found.targets[0].targets, "image": found.image}


@pytest.mark.parametrize("step", range(5))
def test_targets_follow_the_pixels(step: int) -> None:
    batch = mixed(step, probability=1.0, area=(0.2, 0.6))
    source = batch["image"][:, 0].long()
    assert torch.equal(batch["image"], source[:, None].expand(-1, 3, -1, -1).to(torch.uint8))
    assert torch.equal(batch["depth"], source.float())
    assert torch.equal(batch["normal"], source[..., None].expand(-1, -1, -1, 3).double())
    assert torch.equal(batch["vessels"], source.to(torch.uint8))
    assert torch.equal(batch["mask"], torch.where(source == 1, IGNORED, source))
    pasted = source != torch.arange(B)[:, None, None]
    for index, own in enumerate(pasted):
        rows, columns = own.any(1).nonzero(), own.any(0).nonzero()
        window = own[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert window.all()
        assert len(set(source[index][own].tolist())) == 1  # one partner, never itself
    assert (batch["label"] == IGNORED).all()
    assert batch["age"].isnan().all()


def test_only_some_images_are_pasted_into_and_the_others_keep_their_label() -> None:
    count = 0
    for step in range(200):
        batch = mixed(step, probability=0.3, area=(0.5, 0.5))
        changed = (batch["image"] != numbered()["image"]).flatten(1).any(1)
        count += int(changed.sum())
        assert torch.equal(batch["label"], torch.where(changed, IGNORED, torch.arange(B)))
        assert torch.equal(batch["age"].isnan(), changed)
    assert count / (200 * B) == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / (200 * B)) ** 0.5)


@pytest.mark.parametrize("area", [(0.5, 0.5), (0.0, 1.0), (0.1, 0.3)])
def test_the_rectangle_has_its_area_and_lies_anywhere(area: tuple[float, float]) -> None:
    generator = torch.Generator().manual_seed(0)
    inside = CutMix(1.0, area).draw_rectangles(4000, 128, 96, generator)
    ratios = inside.flatten(1).double().mean(1)
    rounding = 1 / 96  # half a pixel on each side of each axis
    assert ratios.min() >= area[0] - rounding
    assert ratios.max() <= area[1] + rounding
    spread = (area[1] - area[0]) / 12**0.5
    assert ratios.mean().item() == pytest.approx(sum(area) / 2, abs=4 * spread / 4000**0.5 + 1e-3)
    assert ratios.std().item() == pytest.approx(spread, abs=0.01)
    reached = inside.any(0)
    assert reached.all()  # corners too


def test_shapes_of_a_fixed_area_differ() -> None:
    inside = CutMix(1.0, (0.5, 0.5)).draw_rectangles(500, 64, 64, torch.Generator().manual_seed(0))
    heights = inside.any(2).sum(1)
    assert heights.min() <= 34
    assert heights.max() >= 62


def test_partners_are_all_the_others() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([draw_partners(4, generator) for _ in range(300)])
    for index in range(4):
        assert set(drawn[:, index].tolist()) == set(range(4)) - {index}


def test_an_image_as_wide_as_a_target_of_the_whole_is_told_from_it() -> None:
    """By the kind alone: a matrix of the whole image may have the image's shape."""
    batch = read_training_batch({**numbered(), "matrix": torch.zeros(B, H, W), "kinds": {**KINDS, "matrix": "whole"}})
    inside = torch.zeros(B, H, W, dtype=torch.bool)
    inside[0, :2, :2] = True
    found = paste(batch, inside, torch.arange(B).roll(1)).targets[0].targets["matrix"]
    assert found[0].isnan().all()
    assert not found[1:].any()


def test_a_single_image_stays() -> None:
    batch = {"image": torch.zeros(1, 3, H, W, dtype=torch.uint8), "mask": torch.zeros(1, H, W, dtype=torch.long)}
    assert CutMix(1.0)(given := read_training_batch(batch), make_step_generator(None, "")) is given


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"probability": 1.5}, "probability of CutMix is 1.5"),
        ({"area": (0.5, 0.2)}, r"\[0.5, 0.2\]"),
        ({"area": (0.5,)}, r"\[0.5\]"),
    ],
)
def test_refused_settings(settings: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        CutMix(**settings)


def test_a_target_of_whole_images_that_cannot_be_unknown_is_refused() -> None:
    batch = {**numbered(), "sick": torch.ones(B, dtype=torch.bool), "kinds": {**KINDS, "sick": "whole"}}
    with pytest.raises(UserError, match="cannot paste into images with the target 'sick'"):
        CutMix(1.0)(read_training_batch(batch), torch.Generator())
