from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lightning_modules.batch_transforms.fourier_mixing import FourierMixing
from lightning_modules.batch_transforms.gaussian_noise import GaussianNoise
from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.networks.parts.mix_style import MixStyle
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.objectives.adversarial import AdversarialTraining
from lightning_modules.objectives.view_consistency import ViewConsistency
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
    groups = SegmentationModule(Pixelwise, 3).make_parameter_groups()
    assert [parameter.ndim for parameter in groups[0]["params"]] == [4]
    assert groups[1]["weight_decay"] == 0
    assert len(groups[1]["params"]) == 3


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
def test_logits_that_are_no_numbers_are_refused(value: float) -> None:
    class Overflowing(Perfect):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.where(image.float() == 2, value, super().forward(image))

    module = SegmentationModule(lambda *_: Overflowing(), 3)
    mask = torch.tensor([[[0, 1, 1, 255]], [[0, 1, 1, 0]]])
    broken = mask.clamp(max=1)[:, None].to(torch.uint8)
    broken[1, :, 0, 3] = 2
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


MIXING = {
    "Mixup": {"network": Pixelwise, "batch_transforms": [GaussianNoise(), Mixup()]},
    "FourierMixing": {
        "network": Pixelwise,
        "objective": AdversarialTraining(ViewConsistency([GaussianNoise(), FourierMixing()])),
    },
    "MixStyle": {"network": partial(SmpNetwork, parts=[MixStyle()])},
}


@pytest.mark.parametrize("name", MIXING)
def test_methods_that_mix_images_are_refused_where_a_batch_has_one(name: str) -> None:
    """And a last batch, which may have fewer images, is trained on as it is."""
    module = SegmentationModule(**MIXING[name], num_classes=3).train()  # type: ignore[arg-type]
    batch = {"image": torch.zeros(1, 3, 64, 64), "mask": torch.zeros(1, 64, 64, dtype=torch.long), "id": ["a"]}
    with pytest.raises(UserError, match=rf"^{name} gives an image .* --data\.init_args\.batch_size 2 or more"):
        module.training_step(batch, 0)
    assert module.training_step(batch, 1).isfinite()
