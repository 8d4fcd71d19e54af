"""Fourier mixing against the complete, shifted spectrum by NumPy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules.batch_transforms.fourier_mixing import FourierMixing, swap_amplitudes
from lightning_modules.training_batch import TrainingBatch, read_training_batch
from user_error import UserError


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(*shape: int, seed: int = 0) -> Tensor:
    """Smooth and rough at once, some dark, some bright."""
    x = torch.rand(shape, generator=draw(seed))
    light = torch.rand(shape[:2], generator=draw(seed + 1))[..., None, None]
    return 0.4 * x + 0.6 * light * torch.linspace(0, 1, shape[-1])


def batch_of(image: Tensor) -> TrainingBatch:
    return read_training_batch({"image": image, "mask": torch.zeros(len(image), *image.shape[2:], dtype=torch.long)})


def swap_by_hand(image: Tensor, other: Tensor, radius: float) -> np.ndarray:
    """Of one image (C, H, W)."""
    own, foreign = (np.fft.fftshift(np.fft.fft2(one.double().numpy()), axes=(1, 2)) for one in (image, other))
    half, (row, column) = math.ceil(radius) - 1, (side // 2 for side in image.shape[1:])
    amplitude = np.abs(own)
    if half >= 0:
        rows, columns = (slice(max(0, at - half), at + half + 1) for at in (row, column))
        amplitude[:, rows, columns] = np.abs(foreign)[:, rows, columns]
    found = np.fft.ifft2(np.fft.ifftshift(amplitude * np.exp(1j * np.angle(own)), axes=(1, 2)))
    return np.clip(found.real, 0, 1)


@pytest.mark.parametrize("size", [(16, 20), (15, 21), (17, 8), (9, 13)])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("radius", [0.5, 1.0, 1.2, 3.0, 100.0])
def test_it_is_what_the_complete_spectrum_gives(size: tuple[int, int], channels: int, radius: float) -> None:
    image, partners = images(3, channels, *size), torch.tensor([2, 0, 1])
    radii = torch.tensor([radius, 2 * radius, radius / 2])  # a window of its own for each image
    found = swap_amplitudes(image, partners, radii).double().numpy()
    for index, partner in enumerate(partners.tolist()):
        expected = swap_by_hand(image[index], image[partner], radii[index].item())
        np.testing.assert_allclose(found[index], expected, rtol=0, atol=2e-5)
    assert np.abs(found - image.numpy()).max() > 0.05


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(2, 4), st.integers(1, 5), st.integers(1, 12), st.integers(1, 12)),
    as_bytes=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_radius_0_is_the_identity_and_any_other_stays_in_range(
    shape: tuple[int, ...], as_bytes: bool, seed: int
) -> None:
    image = torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw(seed))
    batch = batch_of(image if as_bytes else image / 255)
    same = FourierMixing((0.0, 0.0))(batch, draw(seed))
    assert torch.equal(same.image, image / 255)
    found = FourierMixing((0.0, 1.0))(batch, draw(seed))
    assert found.targets is batch.targets
    assert found.image.dtype == torch.float32
    assert found.image.shape == shape
    assert ((found.image >= 0) & (found.image <= 1)).all()


def test_an_image_is_its_own_partner_without_effect() -> None:
    image = images(2, 3, 15, 16)
    torch.testing.assert_close(swap_amplitudes(image, torch.arange(2), torch.full((2,), 9.0)), image)


def test_a_small_window_takes_the_mean_alone() -> None:
    """Frequency 0 of a small image at a small beta: the partner's brightness, the own detail."""
    image = 0.1 * images(2, 3, 20, 20) + torch.tensor([0.2, 0.6]).view(2, 1, 1, 1)
    found = FourierMixing((0.01, 0.02))(batch_of(image), draw()).image
    means = image.mean((2, 3), keepdim=True)
    torch.testing.assert_close(found, image - means + means.flip(0))


def test_black_images_have_a_partner_too() -> None:
    image = torch.stack([torch.zeros(1, 8, 8), torch.full((1, 8, 8), 0.5)])
    found = swap_amplitudes(image, torch.tensor([1, 0]), torch.tensor([2.0, 2.0]))
    torch.testing.assert_close(found, image.flip(0))


def test_each_image_draws_its_window_and_its_partner() -> None:
    """The shares of the shorter side are uniform in the range; a partner is never the image itself."""
    image = torch.arange(1, 5)[:, None, None, None].expand(4, 1, 6, 8) / 8  # constant: only the means are exchanged
    partners = torch.stack([FourierMixing()(batch_of(image), draw(seed)).image[:, 0, 0, 0] for seed in range(100)]) * 8
    for index in range(4):
        assert set(partners[:, index].round().int().tolist()) == {1, 2, 3, 4} - {index + 1}
    rough = 0.4 + 0.2 * torch.rand(40, 1, 101, 200, generator=draw())  # nothing is clamped
    found = FourierMixing((0.1, 0.3))(batch_of(rough), draw()).image
    change = torch.fft.fft2((found - rough).double()).abs()[:, 0, :51, 0] > 1e-3
    reached = (change * torch.arange(51)).amax(1)
    assert 10 <= reached.min() < 16
    assert 25 < reached.max() <= 30


def test_a_single_image_stays() -> None:
    batch = batch_of(images(1, 3, 8, 8))
    assert FourierMixing()(batch, draw()) is batch


def test_in_16_bits_it_is_the_same() -> None:
    image, partners, radius = images(2, 3, 16, 16), torch.tensor([1, 0]), torch.tensor([3.0, 3.0])
    with torch.autocast("cpu", torch.bfloat16):
        found = swap_amplitudes(image, partners, radius)
    assert torch.equal(found, swap_amplitudes(image, partners, radius))


@pytest.mark.parametrize("beta", [(0.1,), (0.2, 0.1), (-0.1, 0.1), (0.5, 1.5)])
def test_refused_settings(beta: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match=r"beta of FourierMixing is \[.*shares of the shorter side"):
        FourierMixing(beta)
