import pytest
import torch
from torch import nn

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
    images = module.test_step({"conditions": [(0, image, mask), (1, worse, mask)]}, 0)["images"]
    clean, corrupted = module.sweep_counts.compute()
    assert torch.equal(clean, torch.diag(torch.tensor([2, 2, 3])))
    assert torch.equal(corrupted, torch.tensor([[2, 0, 0], [0, 2, 0], [0, 3, 0]]))
    assert images.shape == (2, 2, 3, 3)
    assert torch.equal(images.sum(1)[1, :, 2], torch.tensor([2, 2, 3]))


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
    assert images["images"].sum((1, 2, 3)).tolist() == [12, 0, 12]


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    module = SegmentationModule(Pixelwise, 3)
    nn.init.constant_(module.network.convolution.weight, float("nan"))
    batch = {"image": torch.zeros(1, 3, 4, 4), "mask": torch.zeros(1, 4, 4, dtype=torch.long), "id": ["a"]}
    with pytest.raises(UserError, match=r"became nan.*learning rate"):
        module.training_step(batch, 0)
