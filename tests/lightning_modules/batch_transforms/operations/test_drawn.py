"""An operation for each image: what is done together is what is done alone, and draws are even."""

from dataclasses import replace

import pytest
import torch

from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.batch_transforms.operations.augmix_operations import AugMixOperations
from lightning_modules.batch_transforms.operations.drawn import (
    NONE,
    Drawn,
    apply_to_batch,
    apply_to_images,
    draw_operations,
)
from lightning_modules.batch_transforms.operations.spaces import RANDAUGMENT
from lightning_modules.training_batch import read_training_batch
from user_error import UserError

B, H, W = 28, 12, 16


def drawn_for_all() -> Drawn:
    """Each operation for two images, in mixed order."""
    choice = torch.arange(B) % len(RANDAUGMENT)
    magnitude = torch.linspace(0.2, 1, B).expand(len(RANDAUGMENT), -1)
    strength = torch.stack(
        [one.compute_strength(row, torch.ones(B)) for one, row in zip(RANDAUGMENT, magnitude, strict=True)]
    )
    return Drawn(choice, strength.gather(0, choice[None])[0])


def test_images_are_changed_as_each_would_be_alone() -> None:
    image = torch.rand(B, 3, H, W, generator=torch.Generator().manual_seed(0))
    drawn = drawn_for_all()
    together = apply_to_images(image, RANDAUGMENT, drawn)
    for index, name in enumerate([one.name for one in RANDAUGMENT] * 2):
        part = slice(index, index + 1)
        alone = apply_to_images(image[part], RANDAUGMENT, Drawn(drawn.choice[part], drawn.strength[part]))
        assert torch.equal(together[part], alone), name
        assert torch.equal(alone, image[part]) == (name == "identity")
    spared = torch.arange(B) < B // 2
    some = apply_to_images(image, RANDAUGMENT, drawn.leave_out(spared))
    assert torch.equal(some, torch.where(spared[:, None, None, None], image, together))
    assert NONE not in drawn.choice


def test_both_masks_of_a_blend_move() -> None:
    image = torch.randint(0, 200, (B, 3, H, W), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    given = {"image": image, "mask": image[:, 0].long(), "id": [str(one) for one in range(B)]}
    mixed = Mixup(1.0)(read_training_batch(given), torch.Generator().manual_seed(0))
    found = apply_to_batch(mixed, RANDAUGMENT, drawn_for_all())
    assert [weight for weight, _ in found.targets] == [weight for weight, _ in mixed.targets]
    for (_, before), (_, after) in zip(mixed.targets, found.targets, strict=True):
        single = replace(mixed, targets=[mixed.targets[0]._replace(targets=before)])
        assert torch.equal(
            apply_to_batch(single, RANDAUGMENT, drawn_for_all()).targets[0].targets["mask"], after["mask"]
        )
        moved = torch.tensor([RANDAUGMENT[one].moves for one in drawn_for_all().choice])
        assert torch.equal(before["mask"][~moved], after["mask"][~moved])
        assert (before["mask"] != after["mask"]).flatten(1).any(1)[moved].all()


def test_operations_and_signs_are_drawn_evenly() -> None:
    number = 14_000
    magnitudes = torch.full((len(RANDAUGMENT), number), 0.5)
    drawn = draw_operations(RANDAUGMENT, magnitudes, torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn.choice, minlength=len(RANDAUGMENT))
    assert (counts - 1000).abs().max() < 4 * 1000**0.5
    for place, one in enumerate(RANDAUGMENT):
        found = drawn.strength[drawn.choice == place]
        middle = (one.weakest + one.strongest) / 2
        torch.testing.assert_close(found.abs(), torch.full_like(found, middle))
        assert ((found < 0).float().mean() - 0.5 * one.signed).abs() < 4 * 0.5 / 1000**0.5


def test_severities_bound_the_levels() -> None:
    family = AugMixOperations("AugMix", 3.0, 0.5)
    drawn = family.draw((9000,), torch.Generator().manual_seed(0))
    for place, one in enumerate(family.operations):
        if one.strongest == one.weakest:
            continue
        share = (drawn.strength[drawn.choice == place].abs() - one.weakest) / (one.strongest - one.weakest)
        highest = 0.05 if one.moves else 0.3
        assert 0.01 <= share.min() < 0.013
        assert 0.95 * highest < share.max() <= highest + 1e-6


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (torch.zeros(B, H, W, dtype=torch.bool), r"'vessels' has the type torch.bool, .* uint8 or int64"),
        (torch.zeros(B, H, W, dtype=torch.int8), "'vessels' has the type torch.int8"),
        (torch.zeros(B, 6, 8), "'vessels' has 6x8 pixels and its images 12x16"),
    ],
)
def test_a_target_that_cannot_move_is_refused(value: torch.Tensor, named: str) -> None:
    given = {"image": torch.rand(B, 3, H, W), "mask": torch.zeros(B, H, W).long(), "vessels": value}
    batch = read_training_batch({**given, "kinds": {"vessels": "classes"}})
    with pytest.raises(UserError, match=named):
        apply_to_batch(batch, RANDAUGMENT, drawn_for_all())
