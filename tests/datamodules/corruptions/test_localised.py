"""A corruption within a rectangle: inside its pixels, outside the clean ones, and the region that says which."""

import pytest
import torch
from scenes import keys, regions, scene

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.blur import DefocusBlur
from datamodules.corruptions.conditions import Clean, Corrupted
from datamodules.corruptions.digital import Saturate
from datamodules.corruptions.geometric import RotationMaskMoved
from datamodules.corruptions.localised import Localised
from datamodules.corruptions.noise import GaussianNoise
from datamodules.corruptions.occlusion import BackgroundReplaced
from user_error import UserError

SIZE = (60, 84)


@pytest.mark.parametrize("inner", [GaussianNoise(), DefocusBlur(), BackgroundReplaced([0])], ids=lambda one: one.name)
def test_inside_is_the_corruption_and_outside_the_image(inner: Corruption) -> None:
    images, masks, drawn = scene(5, 3, *SIZE), regions(5, *SIZE), keys(5)
    local = Localised(inner, 0.3)
    found, scored = local.apply(images, masks, 4, drawn)
    region = local.draw_region(drawn, 4, *SIZE)[:, None]
    assert torch.equal(found, torch.where(region, inner.apply(images, masks, 4, drawn)[0], images))
    assert scored is masks


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 1])
def test_regions_are_rectangles_of_a_share_anywhere(share: float) -> None:
    region = Localised(GaussianNoise(), share).draw_region(torch.arange(500), 3, *SIZE)
    rows, columns = region.any(2), region.any(1)
    assert torch.equal(region, rows[:, :, None] & columns[:, None])
    assert abs(region.double().mean().item() - share) < 0.02
    assert {*rows.sum(1).tolist()} == {round(SIZE[0] * share**0.5)}
    assert rows.any(0).all()
    assert columns.any(0).all()
    if share == 0.25:  # in the middle as often as uniform corners let it
        assert abs((rows.double().mean(0)[30] - 30 / 31).item()) < 0.05
        assert len({*rows.int().argmax(1).tolist()}) == 31


def test_severity_is_that_of_the_corruption_or_the_size_of_the_region() -> None:
    images, drawn = scene(1, 3, *SIZE), keys(1)
    grown = Localised(GaussianNoise(), [0.05, 0.1, 0.2, 0.4, 0.8], severity=2, name="growing_noise")
    areas = [grown.draw_region(drawn, severity, *SIZE).double().mean().item() for severity in range(1, 6)]
    assert areas == sorted(areas)
    inside = grown.draw_region(drawn, 5, *SIZE)[:, None].expand(-1, 3, -1, -1)
    assert torch.equal(grown(images, 5, drawn)[inside], GaussianNoise()(images, 2, drawn)[inside])
    assert grown.describe_parameters(4) == {
        "share": 0.4,
        "of": {"corruption": "gaussian_noise", "severity": 2, "parameters": {"standard_deviation": 0.12}},
    }
    assert Localised(GaussianNoise()).describe_parameters(4)["of"] == {
        "corruption": "gaussian_noise",
        "severity": 4,
        "parameters": {"standard_deviation": 0.26},
    }
    assert (grown.name, Localised(GaussianNoise()).name) == ("growing_noise", "localised_gaussian_noise")


def test_images_of_other_channels_stay_where_the_corruption_leaves_them() -> None:
    images = scene(2, 4)
    assert torch.equal(Localised(Saturate())(images, 3, keys(2)), images)


def test_a_condition_draws_the_region_of_its_images() -> None:
    images, masks, local = scene(2, 3, *SIZE), regions(2, *SIZE), Localised(GaussianNoise())
    condition = Corrupted(local, 5)
    region = condition.draw_region(images, ["a", "b"], 7)
    assert region is not None
    corrupted, _ = condition(images, masks, ["a", "b"], 7)
    assert not (corrupted != images).any(1)[~region].any()
    assert (corrupted != images).any(1)[region].double().mean() > 0.9
    assert Clean().draw_region(images, ["a", "b"], 7) is None
    assert Corrupted(GaussianNoise(), 5).draw_region(images, ["a", "b"], 7) is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"share": 0}, "give one above 0 and up to 1"),
        ({"share": 1.5}, "give one above 0"),
        ({"share": float("nan")}, "give one above 0"),
        ({"share": [0.1, 0.2]}, "or five, for severities 1 to 5"),
        ({"severity": 6, "share": [0.1, 0.2, 0.3, 0.4, 0.5]}, "gaussian_noise has no severity 6"),
        ({"severity": 3}, "would be the same: give five shares, or no severity"),
        ({"corruption": RotationMaskMoved()}, "rotation_mask_moved moves the mask"),
        ({"corruption": Localised(GaussianNoise())}, "localised_gaussian_noise is of a region already"),
    ],
)
def test_other_regions_are_refused(arguments: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Localised(**{"corruption": GaussianNoise(), **arguments})
