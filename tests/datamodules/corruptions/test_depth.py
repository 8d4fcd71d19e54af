"""Fog and defocus by depth: held against the formulas, pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from scenes import keys, scene

from datamodules.corruptions.conditions import Corrupted
from datamodules.corruptions.depth import LAYERS, FarFocus, Focus3D, Fog3D, NearFocus
from datamodules.corruptions.kernels.disc import average_disc
from datamodules.corruptions.localised import Localised
from datamodules.datasets.synthetic import SyntheticScenes
from user_error import UserError

UNKNOWN = (math.nan, math.inf, -math.inf, 0.0, -3.0)

both = pytest.mark.parametrize("corruption", [NearFocus(), FarFocus()], ids=lambda one: one.name)


def ramp(height: int = 48, width: int = 57, near: float = 1, far: float = 9) -> torch.Tensor:
    """Depths (1, H, W) that grow to the right, another one in each column."""
    return torch.linspace(near, far, width).expand(1, height, width).contiguous()


def draw(corruption: Fog3D | Focus3D, images: torch.Tensor, severity: int, depth: torch.Tensor) -> np.ndarray:
    return corruption(images, severity, keys(len(images)), {"depth": depth}).numpy().astype(int)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_fog_is_koschmieders_law(severity: int, channels: int) -> None:
    images, depth = scene(3, channels), torch.cat([ramp(), ramp(near=0.1), ramp(far=40)])
    found = draw(Fog3D(), images, severity, depth)
    for image, z, drawn in zip(images.numpy().astype(float), depth.numpy().astype(float), found, strict=True):
        t = np.exp(-[4, 8, 12, 16, 20][severity - 1] * 512 / 8000 * z)
        wanted = image * t + image.mean() * (1 - t)
        assert np.abs(drawn - wanted).max() <= 0.5 + 1e-3


def test_fog_grows_with_depth_and_severity() -> None:
    image = torch.full((1, 3, 40, 57), 40, dtype=torch.uint8)
    image[:, :, 20:] = 200  # each row of one level, so that only the depth varies
    found = np.stack([draw(Fog3D(), image, severity, ramp(40))[0, 0] for severity in range(1, 6)])
    apart = np.abs(found - 120)
    assert (np.diff(apart, axis=2) <= 0).all()  # along the depth
    assert (np.diff(apart, axis=0) <= 0).all()  # from severity to severity
    assert (apart[1:].sum((1, 2)) < apart[:-1].sum((1, 2))).all()


@pytest.mark.parametrize("value", UNKNOWN)
def test_what_is_not_known_is_infinitely_far(value: float) -> None:
    images, depth = scene(1), ramp()
    depth[:, :10] = value
    found = draw(Fog3D(), images, 1, depth)
    assert np.abs(found[:, :, :10] - images.double().mean().item()).max() <= 0.5
    blurred = draw(NearFocus(), images, 3, depth)
    farthest = depth.clone()
    farthest[:, :10] = math.inf
    assert np.array_equal(blurred, draw(NearFocus(), images, 3, farthest))
    assert np.abs(blurred[:, :, :8] - images.numpy()[:, :, :8]).max() > 5


@pytest.mark.parametrize("value", UNKNOWN)
def test_an_image_without_any_depth_is_fog_alone_and_in_focus(value: float) -> None:
    images, depth = scene(2), torch.full((2, 48, 57), value)
    means = [[[round(one.double().mean().item())]] for one in images]
    assert (draw(Fog3D(), images, 2, depth) == np.array(means)[:, None]).all()
    assert np.array_equal(draw(FarFocus(), images, 5, depth), images.numpy())


@both
def test_an_image_of_one_depth_is_sharp(corruption: Focus3D) -> None:
    images = scene(2)
    for severity in range(1, 6):
        assert np.array_equal(draw(corruption, images, severity, torch.full((2, 48, 57), 3.0)), images.numpy())


@both
def test_defocus_is_a_disc_that_grows_away_from_the_plane_in_focus(corruption: Focus3D) -> None:
    images, depth = scene(1), ramp()
    z = depth[0, 0].double().numpy()
    quantile = {"near_focus": 1 / 8, "far_focus": 7 / 8}[corruption.name]
    focus = np.sort(np.tile(z, 48))[int((48 * 57 - 1) * quantile)]
    for severity in range(1, 6):
        found = draw(corruption, images, severity, depth)[0]
        aperture = corruption.describe_parameters(severity)["aperture"]
        radius = np.minimum(aperture * focus * np.abs(1 / z - 1 / focus), 16)
        assert np.array_equal(found[..., z == focus], images[0].numpy()[..., z == focus])
        for column in (0, 5, 20, 40, 56):
            low = max(one for one in LAYERS[:-1] if one <= radius[column])
            high = LAYERS[LAYERS.index(low) + 1]
            share = (radius[column] - low) / (high - low)
            blurs = [average_by_hand(images[0].numpy(), column, one) for one in (low, high)]
            wanted = (1 - share) * blurs[0] + share * blurs[1]
            assert np.abs(found[..., column] - wanted).max() <= 0.5 + 1e-3


def average_by_hand(image: np.ndarray, column: int, radius: int) -> np.ndarray:
    """Means (C, H) of a disc around the pixels of a column, mirrored at the border."""
    padded = np.pad(image.astype(float), ((0, 0), (radius, radius), (radius, radius)), mode="reflect")
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    inside = rows**2 + columns**2 <= radius**2
    windows = [padded[:, row : row + 2 * radius + 1, column : column + 2 * radius + 1] for row in range(image.shape[1])]
    return np.stack([(window * inside).sum((1, 2)) / inside.sum() for window in windows], 1)


def test_near_focus_blurs_what_is_far_and_far_focus_what_is_near() -> None:
    images, depth = scene(1), ramp()
    for corruption, sharp, blurred in (
        (NearFocus(), slice(0, 20), slice(-20, None)),
        (FarFocus(), slice(-20, None), slice(0, 20)),
    ):
        changes = []
        for severity in range(1, 6):
            apart = np.abs(draw(corruption, images, severity, depth) - images.numpy())
            assert apart[..., sharp].mean() < apart[..., blurred].mean()
            changes.append(apart.mean())
        assert changes == sorted(changes)


def test_the_unit_of_depth_does_not_matter_to_a_lens() -> None:
    assert np.array_equal(draw(NearFocus(), scene(), 3, ramp()), draw(NearFocus(), scene(), 3, 1024 * ramp()))


@pytest.mark.parametrize("radius", [1, 2, 8, 16])
def test_discs_of_any_radius_are_means(radius: int) -> None:
    image = scene(1, 2, 33, 40)
    found = average_disc(image, radius)[0].numpy()
    for column in (0, 17, 39):
        np.testing.assert_allclose(found[..., column], average_by_hand(image[0].numpy(), column, radius), atol=1e-4)


def test_a_condition_hands_the_depth_on() -> None:
    data = SyntheticScenes("val", 1, (48, 56), 4, 0.5, 0)[0]
    image, mask = torch.from_numpy(data["image"].transpose(2, 0, 1).copy())[None], torch.zeros(1, 48, 56).long()
    depth = torch.from_numpy(data["depth"])[None]
    condition = Corrupted(Fog3D(), 2)
    assert tuple(condition.needs) == ("depth",)
    found, same = condition(image, mask, ["a"], 0, {"depth": depth, "label": torch.zeros(1)})
    assert np.array_equal(found.numpy(), draw(Fog3D(), image, 2, depth))
    assert same is mask
    with pytest.raises(
        UserError, match="fog_3d needs the depth of each pixel, which the data do not have: hand it over"
    ):
        condition(image, mask, ["a"], 0)


def test_a_region_of_fog() -> None:
    images, depth, local = scene(2), ramp().expand(2, -1, -1), Localised(Fog3D(), 0.3)
    found = local(images, 3, keys(2), {"depth": depth})
    region = local.draw_region(keys(2), 3, 48, 57)[:, None]
    assert torch.equal(found, torch.where(region, Fog3D()(images, 3, keys(2), {"depth": depth}), images))


@pytest.mark.parametrize(
    "depth",
    [
        torch.ones(1, 48, 56),
        torch.ones(48, 57),
        torch.ones(1, 48, 57).long(),
        torch.ones(1, 48, 57, 1),
        np.ones((1, 48, 57)),
        None,
    ],
)
def test_another_depth_is_refused(depth: object) -> None:
    with pytest.raises(UserError, match=r"fog_3d met a depth of .* hand it one floating-point number for each pixel"):
        Fog3D()(scene(), 1, keys(1), {"depth": depth})  # type: ignore[dict-item]
