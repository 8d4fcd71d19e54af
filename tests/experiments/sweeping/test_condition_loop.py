import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from members import Linear
from sklearn.metrics import f1_score
from torch import nn

from datamodules.corruptions.blur import DefocusBlur
from datamodules.corruptions.conditions import Clean
from datamodules.corruptions.noise import GaussianNoise
from experiments.sweeping.condition_loop import ConditionLoop
from experiments.sweeping.conditions import SweptCondition
from experiments.sweeping.suite import Suite
from lightning_modules.metrics.counters.members import Members
from lightning_modules.metrics.fixed_point import UNIT
from lightning_modules.networks.ensembles.ensemble import Ensemble
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


class Perfect(nn.Module):
    """Reads the class off the first channel."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return nn.functional.one_hot(image[:, 0].long(), 3).permute(0, 3, 1, 2).float()


class Given(Clean):
    """Shows the same images and masks whatever it is handed."""

    def __init__(self, images: torch.Tensor, masks: torch.Tensor) -> None:
        self.given = images, masks

    def __call__(self, *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return self.given


@dataclass(frozen=True)
class Shown(SweptCondition):
    """Shows images and masks that a test has made."""

    images: torch.Tensor
    masks: torch.Tensor
    severity: int

    name = "shown"
    kind = "corruption"
    family = None
    parameters: Any = None

    @property
    def pixels(self) -> Given:
        return Given(self.images, self.masks)


def shown(*pairs: tuple[torch.Tensor, torch.Tensor]) -> Suite:
    suite = Suite("shown", 1)
    suite.conditions = tuple(Shown(*pair, place) for place, pair in enumerate(pairs))
    return suite


def counted(module: SegmentationModule, *pairs: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Counts of each image, of which the first pair shows it clean."""
    image, mask = pairs[0]
    batch = {"image": image, "mask": mask, "id": [str(place) for place in range(len(image))]}
    return ConditionLoop(module, shown(*pairs)).count(batch).counts


class Recording(SegmentationModule):
    """Keeps what it is asked about."""

    def __init__(self) -> None:
        super().__init__(lambda *_: nn.Conv2d(3, 2, 1), 2)
        self.seen: list[torch.Tensor] = []

    def predict(self, image: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        self.seen.append(image)
        return torch.zeros(len(image), 2, *image.shape[2:]), {}


def test_each_condition_is_drawn_when_its_turn_has_come():
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    masks = torch.zeros(3, 32, 32, dtype=torch.long)
    told: list[int] = []
    module = Recording()
    loop = ConditionLoop(module, Suite("small", 1, [DefocusBlur()]), on_condition=told.append)
    found = loop.count({"image": images, "mask": masks, "id": ["a", "b", ""]})
    assert told == [2] * 6
    assert module.seen[0] is images
    assert len(module.seen) == 6
    assert found.changed.tolist() == [[False] * 3] + [[True] * 3] * 5
    assert found.counts["classes"].shape == (6, 3, 2, 3)


def test_what_is_drawn_follows_from_seed_and_id_alone():
    images = torch.full((2, 3, 32, 32), 90, dtype=torch.uint8)
    masks = torch.zeros(2, 32, 32, dtype=torch.long)

    def pixels(ids: list[str], seed: int = 0) -> torch.Tensor:
        suite = Suite("small", 1, [GaussianNoise()], {"gaussian_noise": [2]}, seed=seed)
        module = Recording()
        ConditionLoop(module, suite).count({"image": images, "mask": masks, "id": ids})
        return module.seen[1]

    assert torch.equal(pixels(["a", "b"]), pixels(["b", "a"]).flip(0))
    assert not torch.equal(pixels(["a", "b"])[0], pixels(["a", "b"])[1])
    assert not torch.equal(pixels(["a", "b"]), pixels(["a", "b"], seed=1))


def test_a_real_shift_counts_the_pixels_of_its_images_alone():
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    masks = torch.ones(3, 32, 32, dtype=torch.long)
    suite = Suite("small", 1, shifts={"light": ["day"]})
    suite = suite.adapt_to_data(["red", "green", "blue"], {"a": {"light": "day"}, "b": {"light": "dusk"}})
    found = ConditionLoop(Recording(), suite).count({"image": images, "mask": masks, "id": ["b", "a", ""]})
    assert found.counts["classes"][1, :, 1, 2].tolist() == [0, 32 * 32, 0]
    assert found.changed.tolist() == [[False] * 3, [True, False, True]]
    assert (masks == 1).all()


def test_a_batch_of_filling_meets_one_condition():
    images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    masks = torch.full((2, 32, 32), 255)
    module = Recording()
    found = ConditionLoop(module, Suite("small", 1, [GaussianNoise()])).count(
        {"image": images, "mask": masks, "id": ["", ""]}
    )
    assert len(module.seen) == 1
    assert not found.counts["classes"].any()


def test_a_sweep_counts_every_condition() -> None:
    """Clean scores 1; under the second condition class 2 is taken for class 1."""
    module = SegmentationModule(lambda *_: Perfect(), 3)
    mask = torch.tensor([[[0, 1, 2, 2]], [[2, 0, 255, 1]]])
    image = mask.clamp(max=2)[:, None].to(torch.uint8)
    worse = torch.where(image == 2, 1, image)
    loop = ConditionLoop(module, shown((image, mask), (worse, mask)))
    images = loop.count({"image": image, "mask": mask, "id": ["a", "b"]}).counts
    (clean, corrupted), calibration, log_odds = loop.sums.compute().values()
    assert torch.equal(clean, torch.diag(torch.tensor([2, 2, 3])))
    assert torch.equal(corrupted, torch.tensor([[2, 0, 0], [0, 2, 0], [0, 3, 0]]))
    assert {name: tuple(field.shape) for name, field in images.items()} == {
        "classes": (2, 2, 3, 3),
        "boundary": (2, 2, 3, 3),
        "losses": (2, 2, 2),
        "gaps": (2, 2, 15),
        "image_log_odds": (2, 2, 56, 2),
    }
    assert torch.equal(images["classes"].sum(1)[1, :, 2], torch.tensor([2, 2, 3]))
    assert images["classes"][0, 0].tolist() == [[1, 1, 1], [1, 1, 1], [2, 2, 2]]
    assert torch.equal(images["boundary"], images["classes"])  # images of one row are all border
    assert calibration[..., :2].sum(1).tolist() == log_odds.sum(1).tolist() == [[7, 7], [7, 4]]


def test_members_are_counted_under_every_condition() -> None:
    """Of the pass that predicts, and of an earlier one where the images are the same."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 3, 6, 7), dtype=torch.uint8, generator=random)
    masks = torch.randint(0, 3, (2, 6, 7), generator=random)
    module = SegmentationModule(lambda *_: Ensemble(3, 3, [Linear], copies=2), 3).eval()
    one, other = (member(images).argmax(1) for member in module.network.members)
    loop = ConditionLoop(module, shown((images, masks), (images, masks.flip(1))), counters=[Members()])
    found = loop.count({"image": images, "mask": masks, "id": ["a", "b"]}).counts["pairwise_dice"]
    labels = [np.ravel(part[0]) for part in (one, other)]
    assert (found[0, 0, :, 0] / UNIT).tolist() == pytest.approx(
        f1_score(*labels, labels=range(3), average=None, zero_division=0), abs=1 / UNIT
    )
    assert torch.equal(found[1], found[0])


def test_losses_of_a_sweep_by_hand() -> None:
    """Logits 1 and 0, 0: the true class has the chance e / (e + 2), the others 1 / (e + 2)."""
    module = SegmentationModule(lambda *_: Perfect(), 3)
    mask = torch.tensor([[[0, 1, 2, 255]]])
    image = mask.clamp(max=2)[:, None].to(torch.uint8)
    worse = torch.where(image == 2, 1, image)
    losses = counted(module, (image, mask), (worse, mask))["losses"] / UNIT
    top, low = math.e / (math.e + 2), 1 / (math.e + 2)
    right, wrong = (1 - top) ** 2 + 2 * low**2, top**2 + (1 - low) ** 2 + low**2
    assert losses[0, 0].tolist() == pytest.approx([-3 * math.log(top), 3 * right], abs=3 / UNIT)
    assert losses[1, 0].tolist() == pytest.approx([-2 * math.log(top) - math.log(low), 2 * right + wrong], abs=3 / UNIT)


def test_images_that_stay_the_same_are_segmented_once() -> None:
    calls: list[int] = []

    class Counting(Perfect):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            calls.append(len(image))
            return super().forward(image)

    module = SegmentationModule(lambda *_: Counting(), 3)
    mask = torch.tensor([[[0, 1, 2, 2]]])
    image = mask[:, None].to(torch.uint8)
    masks = [mask, torch.full_like(mask, 255), mask]
    images = counted(module, (image, masks[0]), (image, masks[1]), (image + 0, mask))
    assert calls == [1, 1]
    assert images["classes"].sum((1, 2, 3)).tolist() == [12, 0, 12]
    assert images["boundary"].sum((1, 2, 3)).tolist() == [12, 0, 12]
    assert (images["losses"][1] == 0).all()
    assert torch.equal(images["losses"][0], images["losses"][2])


def test_a_mask_that_moves_is_scored_by_its_own_contours() -> None:
    module = SegmentationModule(lambda *_: Perfect(), 3)
    mask = torch.zeros(1, 9, 9, dtype=torch.long)
    mask[:, :, 4:] = 1
    moved = mask.roll(1, 2)
    moved[:, :, 0] = 0
    masks = [(mask[:, None].to(torch.uint8), mask), (moved[:, None].to(torch.uint8), moved)]
    boundary = counted(module, *masks)["boundary"]
    for condition, columns in enumerate((4, 5)):  # of class 0, in an image of 9 rows, with a reach of 1
        inner = [7 * (columns - 2), 7 * (9 - columns - 2)]
        wanted = [9 * columns - inner[0], 9 * (9 - columns) - inner[1], 0]
        assert boundary[condition, 0].tolist() == [[pixels] * 3 for pixels in wanted]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_no_numbers_are_refused_by_condition_and_image(value: float) -> None:
    class Overflowing(Perfect):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            logits = super().forward(image)
            return torch.where(image.float() == 2, value, logits)

    module = SegmentationModule(lambda *_: Overflowing(), 3)
    mask = torch.tensor([[[0, 1, 1, 255]], [[0, 1, 1, 0]]])
    image = mask.clamp(max=1)[:, None].to(torch.uint8)
    broken = image.clone()
    broken[1, :, 0, 3] = 2
    with pytest.raises(UserError, match="image 1 under 'shown at severity 1' are not all finite"):
        counted(module, (image, mask), (broken, mask))
