import numpy as np
import pytest
import torch
from scenes import scene

from datamodules.corruptions.lighting import (
    ColourTemperature,
    Gamma,
    HardShadow,
    LowLight,
    OverExposure,
    UnevenIllumination,
    compute_tint,
    decode_srgb,
    encode_srgb,
)

GREYS = torch.arange(256, dtype=torch.uint8).view(1, 1, 8, 32).repeat(1, 3, 5, 2)
KEYS = torch.arange(40)


def test_decoding_and_encoding_are_inverse():
    assert torch.equal(encode_srgb(decode_srgb(GREYS)), GREYS)
    assert decode_srgb(GREYS).amax() == 1


def test_a_stop_doubles_the_light():
    brighter = decode_srgb(OverExposure()(GREYS, 2, torch.tensor([0])))
    expected = (2 * decode_srgb(GREYS)).clamp(max=1)
    assert (brighter - expected).abs().max() < 0.005


def test_noise_in_low_light_has_the_variance_of_the_sensor_model():
    flat = torch.full((1, 1, 256, 256), 200, dtype=torch.uint8)
    dark = LowLight()
    ratio, photons, read_noise = dark.look_up(1).values()
    light = decode_srgb(dark(flat, 1, torch.tensor([1]))).double()
    signal = decode_srgb(flat).double().mean() * ratio
    assert light.mean() == pytest.approx(signal.item(), rel=0.005)
    assert light.var() == pytest.approx(signal.item() / photons + read_noise**2, rel=0.05)


def test_gamma_goes_both_ways():
    found = Gamma()(GREYS.expand(40, -1, -1, -1), 3, KEYS).double().mean((1, 2, 3)) - GREYS.double().mean()
    assert (found > 20).sum() + (found < -20).sum() == 40
    assert 8 < (found > 0).sum() < 32


@pytest.mark.parametrize("kelvin", [2700, 3300, 5400, 8000, 25000])
def test_a_tint_keeps_the_luminance_of_grey(kelvin):
    gains = compute_tint(kelvin)
    assert np.dot(gains, (0.2126, 0.7152, 0.0722)) == pytest.approx(1)
    red, _, blue = gains
    assert (red > blue) == (kelvin < 6500)


def test_daylight_has_no_tint():
    assert compute_tint(6500) == pytest.approx((1, 1, 1))


@pytest.mark.parametrize("kelvin", [1700, 2700, 3300, 5400, 8000, 14000])
def test_black_bodies_are_krysteks(kelvin):
    """Independent of the splines: Krystek, "An Algorithm to Calculate Correlated Colour Temperature" (1985)."""

    def light(k: float) -> np.ndarray:
        u = (0.860117757 + 1.54118254e-4 * k + 1.28641212e-7 * k**2) / (1 + 8.42420235e-4 * k + 7.08145163e-7 * k**2)
        v = (0.317398726 + 4.22806245e-5 * k + 4.20481691e-8 * k**2) / (1 - 2.89741816e-5 * k + 1.61456053e-7 * k**2)
        x, y = (part / (2 * u - 8 * v + 4) for part in (3 * u, 2 * v))
        from_rgb = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        return np.linalg.solve(from_rgb, [x / y, 1, (1 - x - y) / y]).clip(1e-3)

    gains = light(kelvin) / light(6500)
    assert compute_tint(kelvin) == pytest.approx(gains / (gains @ (0.2126, 0.7152, 0.0722)), abs=0.02)


def test_black_bodies_meet_where_the_splines_do():
    for edge in (2222, 4000):
        assert compute_tint(edge - 0.01) == pytest.approx(compute_tint(edge + 0.01), abs=0.01)


def test_colours_turn_warm_or_cold():
    found = ColourTemperature()(GREYS.expand(40, -1, -1, -1), 3, KEYS).double().mean((2, 3))
    warm = found[:, 0] > found[:, 2]
    assert 8 < warm.sum() < 32


@pytest.mark.parametrize("corruption", [UnevenIllumination(), HardShadow()], ids=lambda one: one.name)
def test_light_depends_on_the_place_alone(corruption):
    """All channels meet the same light, and the shares are those of the severity."""
    flat = torch.full((4, 2, 64, 80), 100, dtype=torch.uint8)
    found = corruption(flat, 3, KEYS[:4])
    assert torch.equal(found[:, 0], found[:, 1])
    ratio = decode_srgb(found) / decode_srgb(flat)
    if isinstance(corruption, HardShadow):
        assert ratio.amin().item() == pytest.approx(corruption.look_up(3)["share"], abs=0.02)
        assert ratio.amax().item() == pytest.approx(1, abs=0.01)
        assert ((ratio > 0.32) & (ratio < 0.95)).double().mean() < 0.1  # the rim is narrow
    else:
        assert ratio.log2().amax((1, 2, 3)).tolist() == pytest.approx([corruption.look_up(3)["stops"]] * 4, abs=0.1)
        assert ratio.log2().amin((1, 2, 3)).tolist() == pytest.approx([-corruption.look_up(3)["stops"]] * 4, abs=0.1)


@pytest.mark.parametrize("corruption", [UnevenIllumination(), HardShadow()], ids=lambda one: one.name)
def test_severities_mean_the_same_at_any_size(corruption):
    small, large = (
        torch.full((1, 1, 64, 80), 100, dtype=torch.uint8),
        torch.full((1, 1, 256, 320), 100, dtype=torch.uint8),
    )
    found = corruption(large, 4, KEYS[:1])[0, 0].double().view(64, 4, 80, 4).mean((1, 3))
    assert (found - corruption(small, 4, KEYS[:1])[0, 0]).abs().mean() < 1.5


def test_scene_is_left_recognisable():
    images = scene(1, 3, 96, 112)
    found = HardShadow()(images, 5, KEYS[:1])
    assert np.corrcoef(found.flatten(), images.flatten())[0, 1] > 0.2
