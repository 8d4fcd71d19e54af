import math
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.metrics.fixed_point import UNIT
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


class Pixelwise(nn.Module):
    """Logits from each pixel alone, for tests by hand."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, num_classes, 1)
        self.norm = nn.BatchNorm2d(num_classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.norm(self.convolution(image.float() / 255))


class Perfect(nn.Module):
    """Reads the class off the first channel."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return nn.functional.one_hot(image[:, 0].long(), 3).permute(0, 3, 1, 2).float()


def test_decay_spares_biases_and_normalisation() -> None:
    groups = SegmentationModule(Pixelwise, 3).parameter_groups()
    assert [parameter.ndim for parameter in groups[0]["params"]] == [4]
    assert groups[1]["weight_decay"] == 0
    assert len(groups[1]["params"]) == 3


def test_a_sweep_counts_every_condition() -> None:
    """Clean scores 1; under the second condition class 2 is taken for class 1."""
    module = SegmentationModule(lambda *_: Perfect(), 3)
    module.count_conditions(2)
    mask = torch.tensor([[[0, 1, 2, 2]], [[2, 0, 255, 1]]])
    image = mask.clamp(max=2)[:, None].to(torch.uint8)
    worse = torch.where(image == 2, 1, image)
    images = module.test_step({"conditions": [(0, image, mask), (1, worse, mask)]}, 0)
    (clean, corrupted), calibration, odds = module.sweep_counts.compute()
    assert torch.equal(clean, torch.diag(torch.tensor([2, 2, 3])))
    assert torch.equal(corrupted, torch.tensor([[2, 0, 0], [0, 2, 0], [0, 3, 0]]))
    assert {name: tuple(field.shape) for name, field in images.items()} == {
        "classes": (2, 2, 3, 3),
        "boundary": (2, 2, 3, 3),
        "losses": (2, 2, 2),
        "gaps": (2, 2, 15),
    }
    assert torch.equal(images["classes"].sum(1)[1, :, 2], torch.tensor([2, 2, 3]))
    assert images["classes"][0, 0].tolist() == [[1, 1, 1], [1, 1, 1], [2, 2, 2]]
    assert torch.equal(images["boundary"], images["classes"])  # images of one row are all border
    assert calibration[..., :2].sum(1).tolist() == odds.sum(1).tolist() == [[7, 7], [7, 4]]


def test_losses_of_a_sweep_by_hand() -> None:
    """Logits 1 and 0, 0: the true class has the chance e / (e + 2), the others 1 / (e + 2)."""
    module = SegmentationModule(lambda *_: Perfect(), 3)
    module.count_conditions(2)
    mask = torch.tensor([[[0, 1, 2, 255]]])
    image = mask.clamp(max=2)[:, None].to(torch.uint8)
    worse = torch.where(image == 2, 1, image)
    losses = module.test_step({"conditions": [(0, image, mask), (1, worse, mask)]}, 0)["losses"] / UNIT
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
    module.count_conditions(3)
    mask = torch.tensor([[[0, 1, 2, 2]]])
    image = mask[:, None].to(torch.uint8)
    masks = [mask, torch.full_like(mask, 255), mask]
    images = module.test_step({"conditions": [(0, image, masks[0]), (1, image, masks[1]), (2, image + 0, mask)]}, 0)
    assert calls == [1, 1]
    assert images["classes"].sum((1, 2, 3)).tolist() == [12, 0, 12]
    assert images["boundary"].sum((1, 2, 3)).tolist() == [12, 0, 12]
    assert (images["losses"][1] == 0).all()
    assert torch.equal(images["losses"][0], images["losses"][2])


def test_a_mask_that_moves_is_scored_by_its_own_contours() -> None:
    module = SegmentationModule(lambda *_: Perfect(), 3)
    module.count_conditions(2)
    mask = torch.zeros(1, 9, 9, dtype=torch.long)
    mask[:, :, 4:] = 1
    moved = mask.roll(1, 2)
    moved[:, :, 0] = 0
    masks = [(0, mask[:, None].to(torch.uint8), mask), (1, moved[:, None].to(torch.uint8), moved)]
    boundary = module.test_step({"conditions": masks}, 0)["boundary"]
    for condition, columns in enumerate((4, 5)):  # of class 0, in an image of 9 rows, with a reach of 1
        inner = [7 * (columns - 2), 7 * (9 - columns - 2)]
        wanted = [9 * columns - inner[0], 9 * (9 - columns) - inner[1], 0]
        assert boundary[condition, 0].tolist() == [[pixels] * 3 for pixels in wanted]


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    module = SegmentationModule(Pixelwise, 3)
    nn.init.constant_(module.network.convolution.weight, float("nan"))
    batch = {"image": torch.zeros(1, 3, 4, 4), "mask": torch.zeros(1, 4, 4, dtype=torch.long), "id": ["a"]}
    with pytest.raises(UserError, match=r"became nan.*learning rate"):
        module.training_step(batch, 0)


@pytest.mark.parametrize("elsewhere", [0, 1])
def test_a_process_may_see_ignored_pixels_alone(elsewhere: int) -> None:
    module = SegmentationModule(lambda *_: Perfect(), 3)
    reduce = SimpleNamespace(reduce=lambda found, reduce_op: found + elsewhere)
    module._trainer = SimpleNamespace(strategy=reduce)  # type: ignore[assignment]
    module.labelled = torch.tensor(False)
    with nullcontext() if elsewhere else pytest.raises(UserError, match="training images is ignored"):
        module.on_train_epoch_end()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_no_numbers_are_refused_by_condition_and_image(value: float) -> None:
    class Overflowing(Perfect):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            logits = super().forward(image)
            return torch.where(image.float() == 2, value, logits)

    class Conditions(list):
        names = ("clean", "fog at severity 3")

    module = SegmentationModule(lambda *_: Overflowing(), 3)
    module.count_conditions(2)
    mask = torch.tensor([[[0, 1, 1, 255]], [[0, 1, 1, 0]]])
    image = mask.clamp(max=1)[:, None].to(torch.uint8)
    broken = image.clone()
    broken[1, :, 0, 3] = 2
    met = Conditions([(0, image, mask), (1, broken, mask)])
    with pytest.raises(UserError, match="image b under 'fog at severity 3' are not all finite"):
        module.test_step({"conditions": met, "id": ["a", "b"]}, 0)
    with pytest.raises(UserError, match="image b are not all finite"):
        module.validation_step({"image": broken, "mask": mask, "id": ["a", "b"]}, 0)


@pytest.mark.parametrize("transforms", [[], [Mixup()]])
def test_a_loss_sees_single_precision_where_the_network_computes_in_16_bits(transforms: list[Mixup]) -> None:
    seen = []

    class Seen(nn.Module):
        def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            seen.append(logits.dtype)
            return logits.mean()

    module = SegmentationModule(Pixelwise, 3, loss=Seen(), batch_transforms=transforms)
    image = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16):
        assert module(image).dtype == torch.bfloat16
        module.training_step({"image": image, "mask": torch.zeros(2, 4, 4, dtype=torch.long), "id": ["a", "b"]}, 0)
    assert set(seen) == {torch.float32}


@pytest.mark.parametrize("architecture", ["DeepLabV3Plus", "PAN"])
def test_a_single_image_is_too_little_for_batch_normalisation(architecture: str) -> None:
    module = SegmentationModule(partial(SmpNetwork, architecture=architecture), 3).train()
    batch = {"image": torch.zeros(1, 3, 64, 64), "mask": torch.zeros(1, 64, 64, dtype=torch.long), "id": ["a"]}
    with pytest.raises(UserError, match=r"--data\.init_args\.batch_size 2"):
        module.training_step(batch, 0)
