import pytest
import torch
from torch import Tensor

from lightning_modules.batch_transforms.augmix import AugMix
from lightning_modules.batch_transforms.operations.drawn import NONE, Drawn, apply_to_images
from lightning_modules.training_batch import read_training_batch
from user_error import UserError

B, H, W = 6, 10, 14


def batch(value: int | None = None) -> dict:
    draw = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (B, 3, H, W), dtype=torch.uint8, generator=draw)
    image = image if value is None else torch.full_like(image, value)
    return {"image": image, "mask": torch.randint(0, 5, (B, H, W), generator=draw), "id": list("abcdef")}


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


@pytest.mark.parametrize(
    "settings", [{}, {"geometric_severity": 3.0}, {"width": 1, "depth": 1}, {"width": 4, "depth": 2}]
)
def test_the_mix_is_that_of_a_few_lines(settings: dict) -> None:
    """Each chain of each image for itself, with the draws of the method."""
    method = AugMix(alpha=0.7, **settings)
    found = method(read_training_batch(batch()), seed(3)).image
    draw = seed(3)
    length = torch.randint(1, method.depth + 1, (B * method.width,), generator=draw)
    drawn = method.family.draw((method.depth, B * method.width), draw)
    weights, share = method.draw_weights(B, draw)

    def follow(image: Tensor, chain: int) -> Tensor:
        for step in range(length[chain]):
            one = Drawn(drawn.choice[step, chain, None], drawn.strength[step, chain, None])
            image = apply_to_images(image, method.family.operations, one)
        return image

    for index, image in enumerate(batch()["image"] / 255):
        chains = [follow(image[None], index * method.width + place)[0] for place in range(method.width)]
        mix = sum(weight * chain for weight, chain in zip(weights[index], chains, strict=True))
        expected = share[index] * mix + (1 - share[index]) * image
        torch.testing.assert_close(found[index], expected.float())
    assert NONE not in drawn.choice


def test_targets_are_the_images() -> None:
    method = AugMix(geometric_severity=3.0)
    given = read_training_batch(batch())
    found = method(given, seed(0))
    assert method.keeps_targets
    assert found.targets is given.targets


def test_without_geometric_operations_no_pixel_moves() -> None:
    """Equal pixels of an image stay equal, and all that is drawn reaches it."""
    given = batch()
    given["image"][..., W // 2 :] = given["image"][..., : W // 2]
    found = AugMix()(read_training_batch(given), seed(0)).image
    assert torch.equal(found[..., W // 2 :], found[..., : W // 2])
    moved = AugMix(geometric_severity=3.0)(read_training_batch(given), seed(0)).image
    assert not torch.equal(moved[..., W // 2 :], moved[..., : W // 2])


def test_weights_are_of_their_distributions() -> None:
    weights, share = AugMix(width=3).draw_weights(4000, seed(0))
    torch.testing.assert_close(weights.sum(1), torch.ones(4000, dtype=torch.float64))
    assert weights.mean(0).tolist() == pytest.approx([1 / 3] * 3, abs=4 * (1 / 18) ** 0.5 / 4000**0.5)
    assert weights.var(0).tolist() == pytest.approx([1 / 18] * 3, rel=0.1)  # of Dirichlet(1, 1, 1)
    assert share.mean().item() == pytest.approx(0.5, abs=4 / 12**0.5 / 4000**0.5)
    assert share.var().item() == pytest.approx(1 / 12, rel=0.1)  # of Beta(1, 1)


@pytest.mark.parametrize("channels", [1, 4])
def test_images_of_other_channels(channels: int) -> None:
    image = torch.rand(B, channels, H, W, generator=seed(0))
    found = AugMix()(read_training_batch({"image": image, "mask": batch()["mask"]}), seed(0)).image
    assert found.shape == image.shape
    assert found.isfinite().all()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"width": 0}, "the width of AugMix is 0: give a whole number from 1 to 100, such as 3"),
        ({"depth": 0}, "depth of AugMix is 0"),
        ({"alpha": 0.0}, "alpha of AugMix is 0"),
        ({"severity": 11.0}, "severity of AugMix is 11.0: give a number above 0, up to 10"),
        ({"severity": 0.0}, "severity of AugMix is 0.0"),
        ({"severity": float("nan")}, "severity of AugMix is nan"),
        ({"geometric_severity": -1.0}, "geometric_severity of AugMix is -1.0: give a number from 0"),
    ],
)
def test_refused_settings(settings: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        AugMix(**settings)
