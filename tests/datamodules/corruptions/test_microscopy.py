import numpy as np
import pytest
import torch
from scipy import ndimage

from datamodules.corruptions.microscopy import STAINS, AirBubble, DarkSpots, MarkerInk, OutOfFocus, StainShift
from datamodules.corruptions.microscopy import _draw_outer_halves as draw_outer_halves

severities = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
KEYS = torch.tensor([5, 6, -7, 1 << 50])


def flat(level: int, side: int = 64, channels: int = 1) -> torch.Tensor:
    return torch.full((len(KEYS), channels, side, side), level, dtype=torch.uint8)


def noise(channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (len(KEYS), channels, 48, 57), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("corruption", [AirBubble(), DarkSpots(), MarkerInk()], ids=lambda corruption: corruption.name)
def test_the_geometry_grows_with_the_image(corruption):
    small = corruption(flat(120, 96), 3, KEYS).double()
    large = torch.nn.functional.avg_pool2d(corruption(flat(120, 192), 3, KEYS).double(), 2)
    assert (small - large).abs().mean() < 0.15 * (small - 120).abs().mean()


@severities
def test_stain_shift_is_a_change_of_stain_densities(severity):
    images = noise()
    stains = np.array(STAINS) / np.linalg.norm(STAINS, axis=1, keepdims=True)
    density = -np.log(np.maximum(images.numpy().transpose(0, 2, 3, 1), 0.5) / 255)
    scale = (
        1
        + draw_outer_halves(StainShift.severities["scale"][severity - 1], KEYS, stream=0)
        .double()
        .numpy()[:, None, None]
    )
    shift = (
        draw_outer_halves(StainShift.severities["shift"][severity - 1], KEYS, stream=1).double().numpy()[:, None, None]
    )
    changed = (np.linalg.solve(stains.T, density[..., None])[..., 0] * scale + shift) @ stains
    expected = (255 * np.exp(-changed)).clip(0, 255).transpose(0, 3, 1, 2)
    found = StainShift()(images, severity, KEYS).numpy()
    assert np.abs(found - expected).max() < 0.55  # half a level, and the steps of the table


def test_no_stain_shift_changes_nothing(monkeypatch):
    monkeypatch.setattr(StainShift, "severities", {"scale": (0.0,) * 5, "shift": (0.0,) * 5})
    images = noise().clamp_(min=1)
    assert torch.equal(StainShift()(images, 1, KEYS), images)


def test_every_stain_changes_in_both_directions():
    draws = draw_outer_halves(0.4, torch.arange(200), stream=0)
    assert draws.abs().min() >= 0.2
    assert draws.abs().max() <= 0.4
    ratio = (draws > 0).double().mean(0)
    assert (ratio - 0.5).abs().max() < 0.15


@severities
@pytest.mark.parametrize("side", [48, 96])
def test_focus_is_a_gaussian_of_the_image_size(severity, side):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (1, 2, side, side + 9), dtype=torch.uint8, generator=generator)
    blurred = OutOfFocus()(images, severity, KEYS[:1])[0].numpy()
    for plane, found in zip(images[0].double().numpy(), blurred, strict=True):
        sigma = np.hypot(OutOfFocus.severities["sigma"][severity - 1] * side, OutOfFocus.constants["in_focus"])
        expected = ndimage.gaussian_filter(plane, sigma, truncate=4.0, mode="nearest") - 0.5
        assert np.abs(expected - found).max() < 0.6  # rounded down, from whole weights


@severities
def test_an_air_bubble_leaves_the_rest_alone(severity):
    keys = torch.arange(40)
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(60, 200, (40, 1, 64, 64), dtype=torch.uint8, generator=generator)
    touched = (AirBubble()(images, severity, keys) != images).flatten(1).double().mean(1)
    area = np.pi * AirBubble.severities["radius"][severity - 1] ** 2
    assert (touched < 1.35 * area).all()  # 8 % more radius and the rim
    assert (touched > 0.25 * area).all()  # a part lies outside of the image
    assert touched.max() > 0.85 * area * (1 if severity < 4 else 0.6)


@severities
def test_an_air_bubble_has_a_dark_rim(severity):
    bubble = AirBubble()(flat(120, 96), severity, KEYS)
    assert (bubble.flatten(1).amin(1) < 60).all()
    assert (bubble.flatten(1).amax(1) > 145).all()


@severities
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_spots_only_darken_all_channels_alike(severity, channels):
    images = noise(channels).clamp_(min=25)
    assert (DarkSpots()(images, severity, KEYS) <= images).all()
    spots = DarkSpots()(flat(200, 64, channels), severity, KEYS)
    assert torch.equal(spots, spots[:, :1].expand_as(spots))
    assert (spots.flatten(1).amin(1) < 60).all()


@severities
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_ink_absorbs(severity, channels):
    images = noise(channels)
    inked = MarkerInk()(images, severity, KEYS)
    assert (inked <= images).all()
    least = min(min(ink) for ink in MarkerInk.constants["inks"]) if channels == 3 else MarkerInk.constants["dark"]
    assert (inked.double() >= images.double() * least - 0.51).all()


def test_inks_have_colours():
    keys = torch.arange(60)
    marked = MarkerInk()(torch.full((60, 3, 64, 64), 255, dtype=torch.uint8), 4, keys).double()
    lost = 255 - marked.flatten(2).mean(2)
    hue = lost / lost.amax(1, keepdim=True)
    expected = 1 - torch.tensor(MarkerInk.constants["inks"]).double()
    expected = expected / expected.amax(1, keepdim=True)
    drawn = (hue[:, None] - expected).abs().amax(2).min(1)
    assert drawn.values.max() < 0.02
    assert drawn.indices.bincount(minlength=3).min() > 8


@severities
def test_a_stroke_is_as_wide_as_stated(severity):
    keys = torch.arange(40)
    marked = MarkerInk()(torch.full((40, 1, 96, 96), 255, dtype=torch.uint8), severity, keys)
    ratio = (marked < 235).double().mean((1, 2, 3))
    width = MarkerInk.severities["width"][severity - 1]
    assert (ratio > 0.5 * width).all()  # strokes may cut a corner, or bend
    assert (ratio < 1.8 * width).all()
