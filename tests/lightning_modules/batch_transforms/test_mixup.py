from pathlib import Path

import pytest
import torch
from resumed import assert_resumes
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.checkpoints.checkpoint import load_module
from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.draws import make_step_generator
from lightning_modules.labels import IGNORED
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.training_batch import TrainingBatch, read_training_batch
from user_error import UserError

K = 3


class Pixelwise(nn.Module):
    """Logits from each pixel alone; notes what it saw."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, num_classes, 1)
        self.seen: list[Tensor] = []

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append(image)
        return self.convolution(image)


def module(alpha: float = 1.0) -> SegmentationModule:
    torch.manual_seed(0)
    return SegmentationModule(Pixelwise, K, batch_transforms=[Mixup(alpha)])


def batch(number: int = 4) -> dict:
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.randint(0, 256, (number, 3, 8, 8), dtype=torch.uint8, generator=generator),
        "mask": torch.randint(0, K, (number, 8, 8), generator=generator),
        "depth": torch.arange(number)[:, None, None].expand(-1, 8, 8).float(),
        "label": torch.arange(number),
        "place": [f"place {index}" for index in range(number)],
        "id": [str(index) for index in range(number)],
        "kinds": {"depth": "continuous", "label": "whole", "place": "whole"},
    }


def mixed(given: dict, seed: int = 0, alpha: float = 1.0) -> tuple[TrainingBatch, float, Tensor]:
    """The batch, the ratio and the partners, by what the second set of targets says."""
    found = Mixup(alpha)(read_training_batch(given), torch.Generator().manual_seed(seed))
    return found, found.targets[0].weight, found.targets[1].targets["label"]


@pytest.mark.parametrize("seed", range(4))
def test_every_target_is_there_twice(seed: int) -> None:
    given = batch()
    found, ratio, partners = mixed(given, seed)
    (_, own), (rest, expected) = found.targets
    assert 0 < ratio < 1
    assert ratio + rest == pytest.approx(1)
    assert sorted(partners.tolist()) == [0, 1, 2, 3]
    assert own == {name: value for name, value in given.items() if name not in ("image", "id", "kinds")}
    for name in ("mask", "depth", "label"):
        assert torch.equal(expected[name], given[name][partners])
    assert expected["place"] == [f"place {index}" for index in partners.tolist()]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [torch.uint8, torch.float32])
def test_the_loss_is_that_of_blended_images_and_blended_one_hot_masks(seed: int, levels: torch.dtype) -> None:
    one, given = module(), batch()
    bytes_ = given["image"]
    if levels == torch.float32:
        given["image"] = bytes_ / 255
    found, ratio, partners = mixed(given, seed)
    blended = (ratio * bytes_.double() + (1 - ratio) * bytes_[partners].double()) / 255
    torch.testing.assert_close(found.image, blended.float())
    one_hot = F.one_hot(given["mask"], K).permute(0, 3, 1, 2).float()
    soft = ratio * one_hot + (1 - ratio) * one_hot[partners]
    torch.testing.assert_close(one.apply_objective(found).loss, F.cross_entropy(one.network(blended.float()), soft))


def gradient(given: dict, seed: int = 0) -> tuple[Tensor, float, Tensor]:
    """Of the loss at logits of 0, with the ratio and the partners."""
    one = module()
    logits = torch.zeros(len(given["mask"]), K, 8, 8, requires_grad=True)
    one.network.forward = lambda image: logits
    found, ratio, partners = mixed(given, seed)
    one.apply_objective(found).loss.backward()
    assert logits.grad is not None
    return logits.grad, ratio, partners


def test_ignored_pixels_stay_ignored() -> None:
    """In the left half both images are ignored: no logit there can feel their masks."""
    given = batch(2)
    given["mask"][:, :, :4] = IGNORED
    found, _, _ = gradient(given)
    assert not found[..., :4].any()
    assert found[..., 4:].abs().sum(1).all()


def test_a_pixel_ignored_in_one_mask_counts_against_the_other() -> None:
    given = batch(2)
    given["mask"][0] = IGNORED
    seed = next(seed for seed in range(20) if mixed(given, seed)[2].tolist() == [1, 0])
    found, ratio, _ = gradient(given, seed)
    true = F.one_hot(given["mask"][1], K).permute(2, 0, 1) - 1 / K
    torch.testing.assert_close(found[1], -ratio * true / 64)
    torch.testing.assert_close(found[0], -(1 - ratio) * true / 64)


def test_a_small_alpha_blends_little() -> None:
    def least(alpha: float) -> float:
        ratios = torch.tensor([Mixup(alpha).draw_ratio(torch.Generator().manual_seed(seed)) for seed in range(500)])
        assert ratios.mean().item() == pytest.approx(0.5, abs=0.1)
        return torch.minimum(ratios, 1 - ratios).mean().item()

    assert least(0.1) < 0.1 < 0.4 < least(50.0)


def test_validation_is_not_mixed() -> None:
    one, given = module().eval(), batch()
    given["image"] = given["image"] / 255
    one.validation_step(given, 0)
    assert torch.equal(one.network.seen[0], given["image"])


def test_a_step_that_is_taken_twice_draws_once() -> None:
    """As SAM takes it."""
    one, given = module(), read_training_batch(batch())
    first, second = one.transform_batch(given), one.transform_batch(given)
    assert torch.equal(first.image, second.image)
    assert first.targets[0].weight == second.targets[0].weight
    again = Mixup(1.0)(given, make_step_generator(None, "batch_transforms.1"))
    assert first.targets[0].weight != again.targets[0].weight


def test_alpha_must_be_positive() -> None:
    with pytest.raises(UserError, match="alpha of mixup is 0"):
        Mixup(alpha=0.0)


def test_a_training_resumes_and_its_checkpoint_rebuilds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is exchanged too: what mixes is not the loss."""
    dice = "--model.init_args.loss=experiments/configs/loss/cross_entropy_dice.yaml"
    assert_resumes("synthetic_unet_mixup", tmp_path, monkeypatch, dice, "--model.init_args.batch_transforms.alpha=0.5")
    checkpoint = tmp_path / "whole" / "last.ckpt"
    rebuilt = SegmentationModule.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
    assert [one.alpha for one in rebuilt.batch_transforms] == [0.5]
    image = batch(1)["image"]
    assert torch.equal(rebuilt.eval()(image), load_module(checkpoint)(image))
