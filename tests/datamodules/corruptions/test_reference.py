"""Parity with imagecorruptions, the implementation that published numbers come from."""

import numpy as np
import pytest
import torch

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.blur import DefocusBlur
from datamodules.corruptions.digital import Contrast, JpegCompression
from datamodules.corruptions.noise import GaussianNoise
from datamodules.corruptions.weather import Brightness

reference = pytest.importorskip("imagecorruptions")
data = pytest.importorskip("skimage.data")

PHOTOS = {  # shipped with scikit-image; (H, W, 3)
    "256 x 192": lambda: data.astronaut()[:256, 100:292],
    "131 x 97": lambda: data.coffee()[40:171, 210:307],
    "33 x 47": lambda: data.astronaut()[60:93, 190:237],
}
photos = pytest.mark.parametrize("photo", PHOTOS.values(), ids=list(PHOTOS))
severities = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])


def ours(corruption: Corruption, image: np.ndarray, severity: int, key: int = 1) -> np.ndarray:
    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    return corruption(planes, severity, torch.tensor([key]))[0].permute(1, 2, 0).numpy()


def difference(corruption: Corruption, image: np.ndarray, severity: int) -> np.ndarray:
    expected = reference.corrupt(image, severity, corruption.name)
    return ours(corruption, image, severity).astype(int) - expected.astype(int)


@photos
@severities
@pytest.mark.parametrize("corruption", [Contrast(), JpegCompression()], ids=lambda corruption: corruption.name)
def test_bit_exact(corruption, photo, severity):
    assert not difference(corruption, photo(), severity).any()


@photos
@severities
@pytest.mark.parametrize("corruption", [Brightness(), DefocusBlur()], ids=lambda corruption: corruption.name)
def test_within_one_level(corruption, photo, severity):
    met = difference(corruption, photo(), severity)
    assert np.abs(met).max() <= 1
    assert (met != 0).mean() < 0.05


@severities
@pytest.mark.parametrize(
    ("corruption", "tolerance"),
    [(Contrast(), 0), (JpegCompression(), 0), (Brightness(), 1), (DefocusBlur(), 1)],
    ids=lambda value: getattr(value, "name", None),
)
@pytest.mark.parametrize("channels", [1, 5])
def test_channels_are_grey_images(corruption, tolerance, severity, channels):
    image = np.repeat(data.camera()[200:280, 200:291, None], channels, 2)
    expected = reference.corrupt(image[..., 0], severity, corruption.name)  # stacks a grey image to three channels
    met = ours(corruption, image, severity).astype(int) - expected[..., :1].astype(int)
    assert np.abs(met).max() <= tolerance


@photos
@severities
def test_gaussian_noise_has_the_same_distribution(photo, severity):
    image = photo()
    np.random.seed(severity)  # noqa: NPY002 (what the reference draws from)

    def statistics(corrupted: np.ndarray) -> tuple[float, float, float]:
        residual = corrupted.astype(float) - image
        psnr = 10 * np.log10(255**2 / np.mean(residual**2))
        return float(corrupted.mean()), float(residual.std()), float(psnr)

    theirs = np.array([statistics(reference.corrupt(image, severity, "gaussian_noise")) for _ in range(8)])
    mine = np.array([statistics(ours(GaussianNoise(), image, severity, key)) for key in range(8)])
    spread = np.sqrt((theirs.var(0, ddof=1) + mine.var(0, ddof=1)) / 8)
    assert (np.abs(theirs.mean(0) - mine.mean(0)) < 4.5 * spread).all()
