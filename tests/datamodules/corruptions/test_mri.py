import numpy as np
import pytest
import torch
from scipy import ndimage

from datamodules.corruptions.kernels.soft_shapes import draw_between, draw_directions
from datamodules.corruptions.mri import BiasField, Ghosting, GibbsRinging, KSpaceSpike, Motion, RicianNoise

severities = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
sizes = pytest.mark.parametrize(("height", "width"), [(48, 64), (45, 51)])
KEYS = torch.tensor([5, 6, -7, 1 << 50])


def flat(level: int, side: int = 64, channels: int = 1) -> torch.Tensor:
    return torch.full((len(KEYS), channels, side, side), level, dtype=torch.uint8)


def head(height: int, width: int, channels: int = 2) -> torch.Tensor:
    """A bright rim around grey tissue with grain, on black."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows / height - 0.5, columns / width - 0.5)
    random = np.random.default_rng(2)
    levels = 90.0 * (distance < 0.35) + 90 * ((distance < 0.35) & (distance > 0.31))
    grain = random.normal(0, 8, (len(KEYS), channels, height, width)) * (distance < 0.35)
    return torch.from_numpy((levels + grain).clip(0, 255).astype(np.uint8))


def levels(signal: np.ndarray) -> np.ndarray:
    return np.floor(np.abs(signal) + 0.5).clip(0, 255)


@severities
@pytest.mark.parametrize("level", [0, 60, 150])
def test_rician_moments(severity, level):
    deviation = 255 * RicianNoise.severities["standard_deviation"][severity - 1]
    noisy = RicianNoise()(flat(level, 160), severity, KEYS).double()
    if level + 4.5 * deviation < 255:  # nothing is cut off
        assert noisy.square().mean().item() == pytest.approx(level**2 + 2 * deviation**2, rel=0.02)
    if level == 0:
        assert noisy.mean().item() == pytest.approx(deviation * (np.pi / 2) ** 0.5, rel=0.02)


@severities
def test_bias_is_the_exponential_of_a_cubic(severity):
    side, level = 48, 60
    biased = BiasField()(flat(level, side, 2), severity, KEYS)
    assert torch.equal(biased[:, 0], biased[:, 1])
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    basis = np.stack([rows**i * columns**j for i in range(4) for j in range(4 - i)], -1).reshape(-1, 10)
    for image in biased[:, 0].double().numpy().reshape(len(KEYS), -1):
        seen = (image > 20) & (image < 255)
        logarithm = np.log(image[seen] / level)
        fit = np.linalg.lstsq(basis[seen], logarithm, rcond=None)[0]
        assert np.abs(basis[seen] @ fit - logarithm).max() < 0.05  # half a level of 20, and the steps of the table
        square = np.square(basis @ fit).mean() ** 0.5
        assert square == pytest.approx(BiasField.severities["deviation"][severity - 1], rel=0.12)


@severities
@sizes
def test_ghosts_are_a_modulation_of_the_lines(severity, height, width):
    images = head(height, width)
    shifts = (draw_between(*Ghosting.constants["shifts"], KEYS, (1,), stream=0) * height).long()[:, 0].tolist()
    amplitude = Ghosting.severities["amplitude"][severity - 1]
    ghosted = Ghosting()(images, severity, KEYS).numpy()
    for image, shift, found in zip(images.numpy(), shifts, ghosted, strict=True):
        lines = 1 + 1j * amplitude * np.cos(2 * np.pi * np.arange(height) * shift / height)
        lines /= (1 + amplitude**2 / 2) ** 0.5
        expected = np.fft.ifft(np.fft.fft(image.astype(float), axis=1) * lines[:, None], axis=1)
        assert np.abs(np.abs(expected).clip(0, 255) - found).max() < 0.501


@severities
@sizes
def test_motion_displaces_blocks_of_lines(severity, height, width):
    images = head(height, width)
    blocks, largest = Motion.severities["blocks"][severity - 1], Motion.severities["shift"][severity - 1]
    away = draw_directions(KEYS, (blocks,), stream=1) * draw_between(largest / 2, largest, KEYS, (blocks,), stream=0)
    away = away.double().numpy() * min(height, width)
    moved = Motion()(images, severity, KEYS).numpy()
    frequencies = np.fft.fftfreq(height)
    for i, image in enumerate(images.numpy()):
        for plane, found in zip(image, moved[i], strict=True):
            spectrum = np.fft.fft2(plane.astype(float))
            acquired = np.zeros_like(spectrum)
            for block in range(blocks):
                still = block == blocks // 2
                shift = (0, 0) if still else (away[1, i, block], away[0, i, block])
                lines = np.floor((frequencies + 0.5) * blocks) == block
                acquired[lines] = ndimage.fourier_shift(spectrum, shift)[lines]
            assert np.abs(levels(np.fft.ifft2(acquired)) - found).max() <= 1
            assert np.mean(levels(np.fft.ifft2(acquired)) != found) < 1e-3


@severities
@sizes
def test_ringing_is_a_sum_of_the_lowest_waves(severity, height, width):
    def projector(size: int) -> np.ndarray:
        highest = int(GibbsRinging.severities["kept"][severity - 1] * size / 2)
        distance = np.subtract.outer(np.arange(size), np.arange(size))
        return sum(np.cos(2 * np.pi * k * distance / size) for k in range(-highest, highest + 1)) / size

    images = head(height, width)
    ringing = GibbsRinging()(images, severity, KEYS).numpy()
    expected = np.abs(projector(height) @ images.numpy().astype(float) @ projector(width)).clip(0, 255)
    assert np.abs(expected - ringing).max() < 0.501


@severities
@pytest.mark.parametrize("level", [0, 31, 255])
@pytest.mark.parametrize("corruption", [Motion(), GibbsRinging()], ids=lambda corruption: corruption.name)
def test_flat_images_stay(corruption, severity, level):
    assert torch.equal(corruption(flat(level, 45), severity, KEYS), flat(level, 45))


@severities
def test_spikes_are_two_waves(severity):
    amplitude = 255 * KSpaceSpike.severities["amplitude"][severity - 1]
    striped = KSpaceSpike()(flat(127, 64, 2), severity, KEYS).double()
    assert torch.equal(striped[:, 0], striped[:, 1])
    spectrum = torch.fft.fft2(striped[:, 0] - 127).abs() / 64**2
    spectrum[:, 0, 0] = 0
    peaks = spectrum.flatten(1).sort(descending=True).values
    assert (peaks[:, :2] - amplitude / 2).abs().max() < 0.15
    assert (peaks[:, 2:4] - amplitude / 4).abs().max() < 0.15
    assert peaks[:, 4].max() < 0.15


@pytest.mark.parametrize("corruption", [BiasField(), KSpaceSpike()], ids=lambda corruption: corruption.name)
def test_the_geometry_grows_with_the_image(corruption):
    small = corruption(flat(120, 96), 3, KEYS).double()
    large = torch.nn.functional.avg_pool2d(corruption(flat(120, 192), 3, KEYS).double(), 2)
    assert (small - large).abs().mean() < 0.15 * (small - 120).abs().mean()


@pytest.mark.parametrize("severity", [3, 5])
@pytest.mark.parametrize("corruption", [Motion(), GibbsRinging()], ids=lambda corruption: corruption.name)
def test_cuts_in_k_space_mean_the_same_in_large_images(corruption, severity):
    images = torch.nn.functional.interpolate(head(64, 64, 1).float(), size=(256, 256), mode="bicubic")
    images = images.clamp(0, 255).to(torch.uint8)
    fine = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    small = corruption(images, severity, KEYS).double()
    large = torch.nn.functional.avg_pool2d(corruption(fine, severity, KEYS).double(), 2)
    assert (small - large).abs().mean() < 0.2 * (small - images).abs().mean()
