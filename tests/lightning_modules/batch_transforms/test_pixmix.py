import pytest
import torch

from lightning_modules.batch_transforms import pixmix
from lightning_modules.batch_transforms.operations.drawn import Drawn, apply_to_images
from lightning_modules.batch_transforms.pixmix import PixMix, add, multiply
from lightning_modules.training_batch import read_training_batch
from user_error import UserError

B, H, W = 6, 10, 14


def batch(channels: int = 3) -> dict:
    draw = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (B, channels, H, W), dtype=torch.uint8, generator=draw)
    return {"image": image, "mask": torch.randint(0, 5, (B, H, W), generator=draw), "id": list("abcdef")}


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


@pytest.mark.parametrize("settings", [{}, {"geometric_severity": 3.0, "rounds": 2}, {"rounds": 1, "beta": 0.5}])
@pytest.mark.parametrize("step", range(3))
def test_the_mix_is_that_of_a_few_lines(settings: dict, step: int) -> None:
    """Each round of each image for itself, by the formulas of the paper, with the draws of the method."""
    method = PixMix(pictures=3, **settings)
    found = method(read_training_batch(batch()), seed(step)).image
    draw = seed(step)
    drawn = method.family.draw((1 + method.rounds, B), draw)
    plain = torch.rand(B, generator=draw) < 0.5
    rounds = method.draw_rounds(B, draw)
    pictures = method.draw_pictures(batch()["image"] / 255, draw)

    def change(index: int, turn: int) -> torch.Tensor:
        one = Drawn(drawn.choice[turn, index, None], drawn.strength[turn, index, None])
        return apply_to_images(batch()["image"][index, None] / 255, method.family.operations, one)[0]

    for index, image in enumerate(batch()["image"] / 255):
        mixed = image if plain[index] else change(index, 0)
        for turn in range(int(rounds.active[:, index].sum())):
            other = (change(index, 1 + turn) if rounds.copied[turn, index] else pictures[index]).double()
            a, b = rounds.own[turn, index].double(), rounds.other[turn, index].double()
            if rounds.multiplied[turn, index]:
                mixed = (2 * mixed.double()) ** a * (2 * other).clamp(1e-37) ** b / 2
            else:
                mixed = (a * (2 * mixed.double() - 1) + b * (2 * other - 1) + 1) / 2
            mixed = mixed.clamp(0, 1)
        torch.testing.assert_close(found[index], mixed.float(), atol=1e-5, rtol=1e-4)


def test_targets_are_the_images() -> None:
    given = read_training_batch(batch())
    method = PixMix(pictures=2)
    assert method.keeps_targets
    assert method(given, seed(0)).targets is given.targets


def test_rounds_and_weights_are_of_their_distributions() -> None:
    number = 4000
    rounds = PixMix(rounds=4, beta=3.0).draw_rounds(number, seed(0))
    count = rounds.active.sum(0)
    assert (torch.bincount(count, minlength=5) - number / 5).abs().max() < 4 * (number / 5) ** 0.5
    assert rounds.active.int().diff(dim=0).max() <= 0  # the first ones
    kept = rounds.own <= 1
    assert torch.equal(rounds.other >= 0, kept)
    for one in (rounds.copied, rounds.multiplied, kept):
        assert one.float().mean().item() == pytest.approx(0.5, abs=0.02)
    means = [rounds.own[kept].mean(), rounds.other[kept].mean(), rounds.own[~kept].mean(), rounds.other[~kept].mean()]
    assert torch.stack(means).tolist() == pytest.approx(
        [0.75, 0.25, 1.25, -0.25], abs=0.01
    )  # of Beta(3, 1), Beta(1, 3)
    assert rounds.own[kept].var().item() == pytest.approx(3 / 80, rel=0.05)
    correlation = torch.corrcoef(torch.stack((rounds.own[kept], rounds.other[kept])))[0, 1]
    assert abs(correlation) < 0.05


def test_mixing_with_no_weight_keeps_the_image() -> None:
    image, other = torch.rand(2, 3, 3, 4, 5, generator=seed(0))
    one, zero = torch.ones(3, 1, 1, 1), torch.zeros(3, 1, 1, 1)
    torch.testing.assert_close(add(image, other, one, zero), image)
    torch.testing.assert_close(multiply(image, other, one, zero), image)
    torch.testing.assert_close(add(image, other, zero, one), other)
    torch.testing.assert_close(multiply(image, torch.zeros_like(image), zero, one), torch.full_like(image, 1e-37))
    assert multiply(torch.ones(1), torch.zeros(1), torch.tensor([2.0]), torch.tensor([-1.0])).isfinite().all()


def test_pictures_are_squares_of_fractals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of at least half the side, everywhere, mirrored or not: by a picture that says its places."""
    side = 256
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    ramp = torch.stack((rows, columns, torch.full_like(rows, 9))).to(torch.uint8)[None]
    monkeypatch.setattr(pixmix, "find_fractals", lambda *_: ramp)
    shown = PixMix(pictures=1).draw_pictures(torch.zeros(500, 3, 32, 32), seed(0)) * 255
    assert torch.allclose(shown[:, 2], torch.tensor(9.0))
    height = (shown[:, 0, -1, 0] - shown[:, 0, 0, 0]) / 31 * 32
    width = (shown[:, 1, 0, -1] - shown[:, 1, 0, 0]) / 31 * 32
    torch.testing.assert_close(width.abs(), height, atol=1.5, rtol=0)
    assert 0.5 * side - 1 <= height.min() < 0.52 * side
    assert 0.98 * side < height.max() <= side + 1
    assert (width < 0).float().mean().item() == pytest.approx(0.5, abs=0.09)
    assert shown[:, 0].min() < 8
    assert shown[:, 0].max() > 247


@pytest.mark.parametrize("channels", [1, 4])
def test_images_of_other_channels_get_grey_pictures(channels: int) -> None:
    method, image = PixMix(pictures=2), batch(channels)["image"] / 255
    pictures = method.draw_pictures(image, seed(0))
    assert pictures.shape == image.shape
    assert torch.equal(pictures, pictures[:, :1].expand_as(pictures))
    assert method(read_training_batch(batch(channels)), seed(0)).image.isfinite().all()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"rounds": 0}, "largest number of rounds of PixMix is 0"),
        ({"beta": 0.0}, "beta of PixMix is 0"),
        ({"pictures": 0}, "number of pictures of PixMix is 0"),
        ({"severity": 12.0}, "severity of PixMix is 12.0"),
        ({"geometric_severity": 12.0}, "geometric_severity of PixMix is 12.0"),
    ],
)
def test_refused_settings(settings: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        PixMix(**settings)
