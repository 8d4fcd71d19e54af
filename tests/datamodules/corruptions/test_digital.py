from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.digital import Contrast, ElasticTransform, JpegCompression, Pixelate, Saturate

KEY = torch.tensor([0])


def noise_image(channels: int) -> torch.Tensor:
    shape = (1, channels, 45, 61)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("level", range(0, 256, 5))
def test_contrast_keeps_flat_images(level):
    images = torch.full((1, 2, 33, 37), level, dtype=torch.uint8)
    assert torch.equal(Contrast()(images, 5, KEY), images)


@pytest.mark.parametrize("severity", [1, 5])
def test_contrast_treats_channels_by_themselves(severity):
    images = noise_image(4)
    together = Contrast()(images, severity, KEY)
    alone = torch.cat([Contrast()(images[:, c : c + 1], severity, KEY) for c in range(4)], 1)
    assert torch.equal(together, alone)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows(severity, channels):
    images = noise_image(channels)
    levels = images[0].permute(1, 2, 0).squeeze(-1).numpy()
    file = BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=JpegCompression.severities["quality"][severity - 1])
    expected = np.array(Image.open(file)).reshape(45, 61, channels)
    assert (JpegCompression()(images, severity, KEY)[0].permute(1, 2, 0).numpy() == expected).all()


PHOTOS = {"256 x 192": (0, 256, 100, 292), "131 x 97": (60, 191, 150, 247), "33 x 47": (60, 93, 190, 237)}
photos = pytest.mark.parametrize("crop", PHOTOS.values(), ids=list(PHOTOS))
severities = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])


def photo(crop: tuple[int, int, int, int]) -> np.ndarray:
    top, bottom, left, right = crop
    return np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut()[top:bottom, left:right])


def ours(corruption: Corruption, image: np.ndarray, severity: int, key: int = 1) -> np.ndarray:
    planes = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
    return corruption(planes, severity, torch.tensor([key]))[0].permute(1, 2, 0).numpy()


def black_and_white(height: int, width: int, seed: int, levels: int) -> np.ndarray:
    return (np.random.default_rng(seed).integers(0, levels, (height, width)) * (255 // (levels - 1))).astype(np.uint8)


@settings(max_examples=150, deadline=None)
@given(st.integers(32, 300), st.integers(32, 300), st.integers(1, 5), st.integers(0, 99), st.sampled_from([2, 4, 256]))
def test_pixelate_is_pillows(height, width, severity, seed, levels):
    image = black_and_white(height, width, seed, levels)
    factor = Pixelate.severities["factor"][severity - 1]
    columns, rows = int(width * factor), int(height * factor)
    # One side after the other: at once, Pillow 13 begins with the rows where an image is more than twice as high as wide.
    small = Image.fromarray(image).resize((columns, height), Image.Resampling.BOX)
    small = small.resize((columns, rows), Image.Resampling.BOX)
    expected = np.array(small.resize((width, height), Image.Resampling.NEAREST))
    assert (ours(Pixelate(), image[..., None], severity)[..., 0] == expected).all()


@severities
@pytest.mark.parametrize("size", [(512, 512), (480, 640), (1024, 2048)], ids=str)
def test_pixelate_is_pillows_at_usual_sizes(size, severity):
    image = black_and_white(*size, seed=0, levels=256)
    factor = Pixelate.severities["factor"][severity - 1]
    small = Image.fromarray(image).resize((int(size[1] * factor), int(size[0] * factor)), Image.Resampling.BOX)
    expected = np.array(small.resize(size[::-1], Image.Resampling.NEAREST))
    assert (ours(Pixelate(), image[..., None], severity)[..., 0] == expected).all()


@photos
@severities
@pytest.mark.parametrize("corruption", [Pixelate(), Saturate()], ids=lambda one: one.name)
def test_is_the_reference_bit_for_bit(corruption, crop, severity):
    reference = pytest.importorskip("imagecorruptions")
    image = photo(crop)
    assert (ours(corruption, image, severity) == reference.corrupt(image, severity, corruption.name)).all()


@severities
def test_saturate_is_the_reference_for_any_colour(severity):
    reference = pytest.importorskip("imagecorruptions")
    random = np.random.default_rng(severity)
    any_colour = random.integers(0, 256, (150, 200, 3), dtype=np.uint8)
    few_levels = random.integers(0, 4, (50, 200, 3), dtype=np.uint8) * np.uint8(85)  # ties, grey, black and white
    image = np.concatenate((any_colour, few_levels))
    assert (ours(Saturate(), image, severity) == reference.corrupt(image, severity, "saturate")).all()


@severities
def test_saturate_scales_the_distance_to_the_value(severity):
    image = np.random.default_rng(severity).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    value = image.max(2, keepdims=True).astype(float)
    chroma = np.maximum(value - image.min(2, keepdims=True), 1)
    scaled = Saturate.severities["factor"][severity - 1] * chroma + Saturate.severities["offset"][severity - 1] * value
    exact = value - (value - image) * np.minimum(scaled, value) / chroma
    coloured = (image.max(2) > image.min(2))[..., None]
    error = (ours(Saturate(), image, severity) - exact) * coloured
    assert error.max() < 1e-9
    assert error.min() > -1 - 1e-9


@pytest.mark.parametrize(("severity", "others"), [(1, 128), (2, 128), (3, 128), (4, 115), (5, 102)])
def test_grey_has_the_hue_of_red(severity, others):
    image = np.full((32, 32, 3), 128, dtype=np.uint8)
    assert (ours(Saturate(), image, severity) == [128, others, others]).all()


@severities
def test_elastic_warps_have_the_distribution_of_the_reference(severity):
    reference = pytest.importorskip("imagecorruptions")
    image = photo(PHOTOS["256 x 192"])
    np.random.seed(severity)  # noqa: NPY002 (what the reference draws from)

    def statistics(corrupted: np.ndarray) -> tuple[float, float, float]:
        residual = corrupted.astype(float) - image
        psnr = 10 * np.log10(255**2 / np.mean(residual**2))
        return float(corrupted.mean()), float(residual.std()), float(psnr)

    theirs = np.array([statistics(reference.corrupt(image, severity, "elastic_transform")) for _ in range(8)])
    mine = np.array([statistics(ours(ElasticTransform(), image, severity, key)) for key in range(8)])
    spread = np.sqrt((theirs.var(0, ddof=1) + mine.var(0, ddof=1)) / 8)
    assert (np.abs(theirs.mean(0) - mine.mean(0)) < 4.5 * spread).all()
