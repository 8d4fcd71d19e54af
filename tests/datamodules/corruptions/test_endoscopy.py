import hypothesis
import pytest
import torch
from hypothesis import strategies

from datamodules.corruptions.endoscopy import BlackCorner, Bubbles, Smoke, SpecularHighlights, Vignette, _refract

severities = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
KEYS = torch.tensor([5, 6, -7, 1 << 50])


def flat(level: int, side: int = 64, channels: int = 1) -> torch.Tensor:
    return torch.full((len(KEYS), channels, side, side), level, dtype=torch.uint8)


def noise(height: int = 48, width: int = 57) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (len(KEYS), 3, height, width), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    "corruption", [SpecularHighlights(), Bubbles(), Vignette(), BlackCorner()], ids=lambda c: c.name
)
def test_the_geometry_grows_with_the_image(corruption):
    small = corruption(flat(120, 160), 3, KEYS).double()
    large = torch.nn.functional.avg_pool2d(corruption(flat(120, 320), 3, KEYS).double(), 2)
    assert (small - large).abs().mean() < 0.2 * (small - 120).abs().mean()


@severities
def test_highlights_only_brighten_all_channels_alike(severity):
    images = noise()
    lit = SpecularHighlights()(images, severity, KEYS)
    assert (lit >= images).all()
    white = SpecularHighlights()(flat(0, 96, 3), severity, KEYS)
    assert torch.equal(white, white[:, :1].expand_as(white))
    assert ((white == 255).flatten(1).sum(1) > 0).all()


@severities
def test_smoke_draws_all_levels_towards_its_own(severity):
    images, level, opacity = noise(), Smoke.constants["level"], Smoke.severities["opacity"][severity - 1]
    smoky = Smoke()(images, severity, KEYS).double()
    before = images.double() - level
    assert ((smoky - level) * before >= 0).all()
    assert ((smoky - level).abs() <= before.abs() * (1 - opacity / 5) + 0.51).all()
    assert ((smoky - level).abs() >= before.abs() * (1 - opacity) - 0.51).all()
    assert (Smoke()(flat(level), severity, KEYS) == level).all()


def test_smoke_uses_its_whole_range_of_opacities():
    smoky = Smoke()(flat(0, 64), 5, KEYS).double().flatten(1) / (
        Smoke.constants["level"] * Smoke.severities["opacity"][4]
    )
    assert smoky.amin(1).sub(0.2).abs().max() < 0.02
    assert smoky.amax(1).sub(1).abs().max() < 0.02


@severities
def test_bubbles_are_rims_and_lamps_on_a_flat_image(severity):
    rims = Bubbles()(flat(60, 96), severity, KEYS)
    assert (rims >= 60).all()
    touched = (rims > 60).double().flatten(1).mean(1)
    assert (touched > 0).all()
    assert (touched < 0.7).all()
    assert (rims > 150).flatten(1).any(1).all()


def test_refraction_looks_outwards_inside_bubbles_alone():
    images = torch.arange(41 * 41, dtype=torch.int32).remainder(251).to(torch.uint8).view(1, 1, 41, 41)
    rows, columns = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(41.0) - 20, indexing="ij")
    away = [rows.reshape(1, -1), columns.reshape(1, -1)]
    inside = away[0].square() + away[1].square() < 15**2
    views = _refract(images, away, torch.full_like(away[0], 15.0), inside)
    assert torch.equal(views.flatten()[~inside[0]], images.flatten()[~inside[0]])
    assert views[0, 0, 20, 20] == images[0, 0, 20, 20]
    stretched = round(10 + 10 * 0.8 * (10 / 15) ** 2)
    assert views[0, 0, 20, 30] == images[0, 0, 20, 20 + stretched]
    assert views[0, 0, 10, 20] == images[0, 0, 20 - stretched, 20]


@severities
def test_vignette_follows_the_fourth_power_of_the_cosine(severity, monkeypatch):
    monkeypatch.setattr(Vignette, "constants", {"shift": 0.0})
    light = Vignette()(flat(255, 401), severity, KEYS)[0, 0].double() / 255
    assert light[200, 200] == 1
    assert light[0, 0].item() == pytest.approx(Vignette.severities["corner_light"][severity - 1], abs=0.01)
    tangent = (Vignette.severities["corner_light"][severity - 1] ** -0.5 - 1) ** 0.5  # of the angle to the corner
    cosine = torch.atan(torch.tensor(tangent / 2**0.5)).cos()  # half of the shorter side away
    assert light[200, 400].item() == pytest.approx(cosine.item() ** 4, abs=0.01)


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(strategies.integers(32, 130), strategies.integers(32, 130), strategies.integers(1, 5))
def test_the_black_share_is_the_same_for_any_size_and_shape(height, width, severity):
    images = torch.full((len(KEYS), 2, height, width), 255, dtype=torch.uint8)
    left = BlackCorner()(images, severity, KEYS).double().mean((1, 2, 3)) / 255
    assert (1 - left - BlackCorner.severities["covered"][severity - 1]).abs().max() < 0.035


def test_black_corners_are_octagons_or_discs():
    keys = torch.arange(64)
    images = torch.full((64, 1, 128, 128), 255, dtype=torch.uint8)
    visible = BlackCorner()(images, 4, keys) > 127
    area = visible.flatten(1).sum(1).double()
    extent = visible.any(2).sum(2)[:, 0].double() / 2
    ratio = area / extent.square()  # pi for a disc, 3.31 for an octagon
    discs = (ratio - torch.pi).abs() < 0.06
    octagons = (ratio - 3.3137).abs() < 0.06
    assert (discs | octagons).all()
    assert 16 < discs.sum() < 48
