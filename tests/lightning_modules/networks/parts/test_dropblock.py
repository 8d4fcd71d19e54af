import pytest
import torch

from lightning_modules.networks.parts.dropblock import DropBlock, DropBlock2d
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError


def covers(probability: float, size: int, height: int, width: int) -> torch.Tensor:
    """Probability of each pixel to be dropped: that one of the squares over it is drawn, by counting them in a loop."""
    down, along = min(size, height), min(size, width)
    places = (height - down + 1) * (width - along + 1)
    rate = probability * height * width / (down * along) / places
    over = torch.zeros(height, width)
    for top in range(height - down + 1):
        for left in range(width - along + 1):
            over[top : top + down, left : left + along] += 1
    return 1 - (1 - rate) ** over


@pytest.mark.parametrize(("size", "shape"), [(7, (16, 12)), (4, (9, 9)), (7, (8, 8)), (7, (3, 10)), (1, (4, 4))])
def test_each_pixel_is_dropped_as_often_as_it_should(size: int, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    number = 40_000
    dropped = (DropBlock2d(0.2, size)(torch.ones(200, number // 200, *shape)) == 0).flatten(0, 1).float().mean(0)
    expected = covers(0.2, size, *shape)
    torch.testing.assert_close(dropped, expected, rtol=0, atol=5 * 0.5 / number**0.5)
    assert 0.13 < expected.mean() < 0.2 + 1e-6  # squares that overlap drop less than was asked for


def test_what_is_dropped_is_squares() -> None:
    """At this rate few maps have more than one: then the pixels of one square, wherever it lies."""
    torch.manual_seed(0)
    dropped = DropBlock2d(0.02, 5)(torch.ones(1, 500, 20, 20))[0] == 0
    counts = dropped.sum((1, 2))
    assert (counts == 25).sum() > 100
    for single in dropped[counts == 25]:
        assert single.any(0).sum() == single.any(1).sum() == 5
    assert counts[counts > 0].min() == 25


def test_channels_and_images_draw_on_their_own() -> None:
    torch.manual_seed(0)
    dropped = (DropBlock2d(0.3, 3)(torch.ones(2, 2, 32, 32)) == 0).flatten(0, 1)
    assert len({tuple(single.flatten().tolist()) for single in dropped}) == 4


def test_training_keeps_the_mean_and_the_proportions() -> None:
    torch.manual_seed(0)
    block = DropBlock2d(0.2, 3)
    assert block(torch.ones(2, 8, 16, 16)).mean().item() == pytest.approx(1, rel=1e-5)
    x = torch.rand(2, 8, 16, 16) + 1
    out = block(x)
    ratio = (out / x)[out > 0]
    assert ratio.max().item() == pytest.approx(ratio.min().item(), rel=1e-5)
    assert ratio.mean() > 1


def test_all_may_be_dropped() -> None:
    torch.manual_seed(0)
    outs = torch.cat([DropBlock2d(0.5, 7)(torch.ones(1, 1, 2, 2)) for _ in range(50)])
    assert set(outs.flatten(1).sum(1).tolist()) == {0.0, 4.0}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_identity_in_evaluation_and_without_probability(dtype: torch.dtype) -> None:
    x = torch.rand(2, 3, 16, 16).to(dtype)
    assert DropBlock2d(0.5, 3).eval()(x) is x
    assert DropBlock2d(0.0, 3)(x) is x
    assert DropBlock2d(0.5, 3)(x).dtype == dtype


def test_the_two_deepest_maps_are_dropped_from() -> None:
    torch.manual_seed(0)
    network = SmpNetwork(2, 3, encoder="tu-mobilenetv3_small_050", parts=[DropBlock(probability=0.5, size=1)])
    x = torch.rand(1, 3, 128, 128)
    network.eval()
    before, retained = network.encoder(x), network.model.encoder(x)
    assert all(torch.equal(one, other) for one, other in zip(before, retained, strict=True))
    network.model.encoder.refine.train()
    dropped = network.model.encoder(x)
    changed = [not torch.equal(one, other) for one, other in zip(before, dropped, strict=True)]
    assert changed == [False] * (len(before) - 2) + [True] * 2


@pytest.mark.parametrize(
    ("settings", "named"), [({"probability": 1.0}, "DropBlock is 1.0"), ({"size": 0}, "DropBlock is 0")]
)
def test_refusals(settings: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        DropBlock(**settings)
