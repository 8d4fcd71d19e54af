"""Noise of drawn strength: Gaussian, speckle and Patch Gaussian."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules.batch_transforms.drawn_noise import DrawnNoise
from lightning_modules.batch_transforms.gaussian_noise import GaussianNoise
from lightning_modules.batch_transforms.patch_gaussian import PatchGaussian
from lightning_modules.batch_transforms.speckle_noise import SpeckleNoise
from lightning_modules.training_batch import TrainingBatch, read_training_batch
from user_error import UserError

KINDS = (GaussianNoise, SpeckleNoise, PatchGaussian)
H, W = 48, 64


def grey(number: int, level: float | int, dtype: torch.dtype = torch.float32, channels: int = 3) -> TrainingBatch:
    image = torch.full((number, channels, H, W), level, dtype=dtype)
    return read_training_batch({"image": image, "mask": torch.zeros(number, H, W, dtype=torch.long)})


def add(transform: DrawnNoise, batch: TrainingBatch, seed: int = 0) -> Tensor:
    found = transform(batch, torch.Generator().manual_seed(seed))
    assert found.targets is batch.targets
    assert found.image.dtype == batch.image.dtype
    return found.image


@settings(max_examples=25, deadline=None)
@given(deviation=st.floats(0.02, 0.12), seed=st.integers(0, 1000), eight_bit=st.booleans(), channels=st.integers(1, 5))
def test_noise_has_its_standard_deviation(deviation: float, seed: int, eight_bit: bool, channels: int) -> None:
    """Around an unchanged mean: 8-bit levels are rounded to the nearest, which adds the variance of a step."""
    batch = grey(4, 128, torch.uint8, channels) if eight_bit else grey(4, 128 / 255, channels=channels)
    image = add(GaussianNoise([deviation, deviation], 1.0), batch, seed)
    levels = image.double() * (1 if eight_bit else 255) - 128
    expected = ((255 * deviation) ** 2 + (1 / 12 if eight_bit else 0)) ** 0.5
    number = levels.numel()
    assert levels.std().item() == pytest.approx(expected, rel=5 / (2 * number) ** 0.5)
    assert levels.mean().item() == pytest.approx(0, abs=5 * expected / number**0.5)


def test_speckle_is_in_proportion_to_the_level() -> None:
    noise = SpeckleNoise([0.1, 0.1], 1.0)
    for level in (0.2, 0.4, 0.6):
        assert (add(noise, grey(6, level)) / level).std().item() == pytest.approx(0.1, rel=0.02)
    assert torch.equal(add(noise, grey(2, 0.0)), grey(2, 0.0).image)


@pytest.mark.parametrize("kind", [GaussianNoise, SpeckleNoise])
def test_the_strength_of_each_image_is_drawn_from_its_range(kind: type[DrawnNoise]) -> None:
    """Uniformly, one for all channels, and for about the share of images that the probability states."""
    drawn = kind([0.02, 0.1], 0.25)  # type: ignore[arg-type]
    found = torch.cat([(add(drawn, grey(100, 0.5), seed) - 0.5).flatten(2).std(2) for seed in range(4)])
    noisy = found[found[:, 0] > 0] / (0.5 if kind is SpeckleNoise else 1)
    assert len(noisy) / len(found) == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / len(found)) ** 0.5)
    torch.testing.assert_close(noisy[:, 0], noisy[:, 1], rtol=0.1, atol=0)
    assert noisy.min() > 0.02 * 0.93
    assert noisy.max() < 0.1 * 1.07
    assert noisy.mean().item() == pytest.approx(0.06, abs=4 * 0.08 / 12**0.5 / len(noisy) ** 0.5)
    assert noisy[:, 0].std().item() == pytest.approx(0.08 / 12**0.5, rel=0.25)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_probability_0_is_the_identity_and_strong_noise_stays_in_range(kind: Any, dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (4, 3, H, W), dtype=torch.uint8, generator=draw)
    image = levels if dtype == torch.uint8 else levels / 255
    batch = read_training_batch({"image": image, "mask": torch.zeros(4, H, W, dtype=torch.long)})
    assert torch.equal(add(kind(probability=0.0), batch), image)
    strong = add(kind(standard_deviation=[1.0, 1.0], probability=1.0), batch)
    assert not torch.equal(strong, image)
    assert strong.min() == 0
    assert strong.max() == (255 if dtype == torch.uint8 else 1)


@settings(max_examples=25, deadline=None)
@given(side=st.floats(0.05, 1.2), seed=st.integers(0, 1000))
def test_a_patch_is_a_square_and_the_image_stays_around_it(side: float, seed: int) -> None:
    """Cut at the border where its middle is near it."""
    patch = PatchGaussian([side, side], [0.05, 0.05])
    changed = (add(patch, grey(6, 0.5), seed) != 0.5).any(1)
    length = round(side * H)
    for one in changed:
        rows, columns = one.any(1).nonzero().flatten(), one.any(0).nonzero().flatten()
        window = one[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert window.float().mean() > 0.99  # noise of exactly 0 is as good as impossible in three channels
        assert one.sum() == window.sum()
        for line, size in ((rows, H), (columns, W)):
            extent = int(line[-1] - line[0]) + 1
            at_border = line[0] == 0 or line[-1] == size - 1
            assert extent == length or (at_border and length // 2 <= extent < length)


def test_sizes_and_strengths_of_patches_are_drawn() -> None:
    """Between the lowest and the highest, and the middle anywhere in the image."""
    patch = PatchGaussian([0.2, 0.6], [0.02, 0.1])
    noise = torch.cat([add(patch, grey(100, 0.5), seed) - 0.5 for seed in range(5)])
    areas = (noise != 0).any(1).flatten(1).sum(1)
    whole = areas.max()
    assert (0.5 * H) ** 2 < whole <= round(0.6 * H) ** 2
    assert areas.min() >= (0.2 * H // 2) ** 2
    assert (noise != 0).flatten(1, 1).any(0).any(0).all()
    strength = noise.square().flatten(1).sum(1).div(3 * areas).sqrt()
    assert strength.mean().item() == pytest.approx(0.06, abs=0.005)
    assert strength.min() < 0.03
    assert strength.max() > 0.09


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"probability": 1.5}, r"the probability of {} is 1.5: give a number from 0 to 1"),
        ({"standard_deviation": [0.5, 0.2]}, r"the standard_deviation of {} is \[0.5, 0.2\]: give \[low, high\]"),
        ({"standard_deviation": [0.1, 1.2]}, "from 0 to 1, of which high is above 0"),
        ({"standard_deviation": [0.0, 0.0]}, "high is above 0"),
        ({"standard_deviation": [0.1]}, r"\[0.1\]"),
        ({"standard_deviation": [float("nan"), 0.1]}, "nan"),
    ],
)
def test_refused_settings(kind: Any, given: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named.replace("{}", kind.__name__)):
        kind(**given)


def test_refused_patches() -> None:
    with pytest.raises(UserError, match=r"the side of PatchGaussian is \[0, 3\]: give \[low, high\], from 0 to 2"):
        PatchGaussian([0, 3])
