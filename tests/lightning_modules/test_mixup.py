from pathlib import Path

import pytest
import torch
from resumed import assert_resumes
from torch import Tensor, nn
from torch.distributions import Beta
from torch.nn import functional as F

from experiments.checkpoints.checkpoint import load_module
from lightning_modules.labels import IGNORED
from lightning_modules.mixup import MixupModule
from lightning_modules.networks.multi_head import MultiHead
from lightning_modules.segmentation import SegmentationModule
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


def module(**settings: object) -> MixupModule:
    torch.manual_seed(0)
    return MixupModule(network=Pixelwise, num_classes=K, **settings)


def batch(number: int = 4) -> dict:
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.randint(0, 256, (number, 3, 8, 8), dtype=torch.uint8, generator=generator),
        "mask": torch.randint(0, K, (number, 8, 8), generator=generator),
        "id": [str(index) for index in range(number)],
    }


def draws(alpha: float, number: int) -> tuple[float, Tensor]:
    """What `compute_loss` draws from here."""
    state = torch.get_rng_state()
    share = torch.distributions.Beta(alpha, alpha).sample().item()
    partner = torch.randperm(number)
    torch.set_rng_state(state)
    return share, partner


def test_each_opinion_has_a_loss_of_its_own() -> None:
    """Where nothing is blended, the loss of several heads is that of a training without mixup."""
    torch.manual_seed(0)
    heads = MultiHead(K, 3, heads=2, encoder="tu-mobilenetv3_small_050").eval()
    mixed = MixupModule(network=lambda *_: heads, num_classes=K)
    mixed.share = Beta(1e6, 1e-6)  # type: ignore[assignment]
    given = {**batch(), "image": torch.rand(4, 3, 32, 32), "mask": torch.randint(0, K, (4, 32, 32))}
    plain = SegmentationModule(lambda *_: heads, K)
    torch.testing.assert_close(mixed.compute_loss(given), plain.compute_loss(given))
    assert not torch.allclose(plain.compute_loss(given), plain.loss(heads(given["image"]), given["mask"]))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [torch.uint8, torch.float32])
def test_the_loss_is_that_of_blended_images_and_blended_one_hot_masks(seed: int, levels: torch.dtype) -> None:
    mixup, given = module(alpha=1.0), batch()
    bytes_ = given["image"]
    if levels == torch.float32:
        given["image"] = bytes_ / 255
    torch.manual_seed(seed)
    share, partner = draws(1.0, 4)
    loss = mixup.compute_loss(given)
    blended = (share * bytes_.double() + (1 - share) * bytes_[partner].double()) / 255
    torch.testing.assert_close(mixup.network.seen[0], blended.float())
    one_hot = F.one_hot(given["mask"], K).permute(0, 3, 1, 2).float()
    soft = share * one_hot + (1 - share) * one_hot[partner]
    torch.testing.assert_close(loss, F.cross_entropy(mixup.network(blended.float()), soft))


def test_ignored_pixels_stay_ignored() -> None:
    """In the left half both images are ignored: no logit there can feel their masks."""
    mixup, given = module(alpha=1.0), batch(2)
    given["mask"][:, :, :4] = IGNORED
    torch.manual_seed(0)
    logits = torch.zeros(2, K, 8, 8, requires_grad=True)
    mixup.network.forward = lambda image: logits
    mixup.compute_loss(given).backward()
    assert not logits.grad[..., :4].any()
    assert logits.grad[..., 4:].abs().sum(1).all()


def test_a_pixel_ignored_in_one_mask_counts_against_the_other() -> None:
    mixup, given = module(alpha=1.0), batch(2)
    given["mask"][0] = IGNORED
    torch.manual_seed(1)
    share, partner = draws(1.0, 2)
    assert partner.tolist() == [1, 0]
    logits = torch.zeros(2, K, 8, 8, requires_grad=True)
    mixup.network.forward = lambda image: logits
    mixup.compute_loss(given).backward()
    true = F.one_hot(given["mask"][1], K).permute(2, 0, 1) - 1 / K
    torch.testing.assert_close(logits.grad[1], -share * true / 64)
    torch.testing.assert_close(logits.grad[0], -(1 - share) * true / 64)


def test_a_small_alpha_blends_little() -> None:
    def least(alpha: float) -> float:
        mixup = module(alpha=alpha)
        shares = torch.stack([mixup.share.sample() for _ in range(500)])
        assert shares.mean().item() == pytest.approx(0.5, abs=0.1)
        return torch.minimum(shares, 1 - shares).mean().item()

    assert least(0.1) < 0.1 < 0.4 < least(50.0)


def test_validation_is_not_mixed() -> None:
    mixup, given = module().eval(), batch()
    given["image"] = given["image"] / 255
    mixup.validation_step(given, 0)
    assert torch.equal(mixup.network.seen[0], given["image"])


def test_alpha_must_be_positive() -> None:
    with pytest.raises(UserError, match="alpha of mixup is 0"):
        module(alpha=0.0)


def test_a_training_resumes_and_its_checkpoint_rebuilds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is exchanged too: what mixes is not the loss."""
    dice = "--model.init_args.loss=experiments/configs/loss/cross_entropy_dice.yaml"
    assert_resumes("synthetic_unet_mixup", tmp_path, monkeypatch, dice, "--model.init_args.alpha=0.5")
    checkpoint = tmp_path / "whole" / "last.ckpt"
    rebuilt = MixupModule.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
    assert rebuilt.share.concentration1.item() == 0.5
    image = batch(1)["image"]
    assert torch.equal(rebuilt.eval()(image), load_module(checkpoint)(image))
