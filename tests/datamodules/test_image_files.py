from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.dataset import IGNORED
from datamodules.image_files import ImageFiles
from datamodules.reading.image_reading import ImageReading, name_channels
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.pairs import Pair
from user_error import UserError

SIZE = (20, 24)
VALUES = {0: 0, 1: 1, 11: IGNORED}


def noise(channels: int | None = 3, size: tuple[int, int] = SIZE, levels: int = 256, kind: type = np.uint8):
    shape = size if channels is None else (*size, channels)
    return np.random.default_rng(0).integers(0, levels, shape).astype(kind)


def opened(paths: tuple[Path, Path], channels: int = 3, **settings) -> ImageFiles:
    return ImageFiles([Pair("one", *paths)], MaskReading(VALUES), ImageReading(name_channels(channels), **settings))


@pytest.fixture
def one(tmp_path: Path, write):
    """A data set of one pair, from the arrays or Pillow images given for it."""

    def build(image=None, mask=None, extension: str = "png", **settings) -> ImageFiles:
        paths = (tmp_path / f"image.{extension}", tmp_path / "mask.png")
        for path, given in zip(paths, (noise() if image is None else image, mask), strict=True):
            if isinstance(given, Image.Image):
                given.save(path)
            else:
                write(path, noise(None, levels=2) if given is None else given)
        return opened(paths, **settings)

    return build


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "npy"])
def test_lossless_formats_decode_exactly(one, extension: str):
    sample = one(extension=extension)[0]
    assert np.array_equal(sample["image"], noise())
    assert np.array_equal(sample["mask"], noise(None, levels=2))
    assert sample["image"].dtype == sample["mask"].dtype == np.uint8


def test_jpeg_decodes(one):
    assert one(extension="jpg")[0]["image"].shape == (*SIZE, 3)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_arrays_of_any_number_of_channels(one, channels: int):
    sample = one(noise(channels), extension="npy", channels=channels)[0]
    assert np.array_equal(sample["image"], noise(channels))


def test_grey_palette_and_alpha(one):
    assert np.array_equal(one(noise(None), channels=1)[0]["image"][..., 0], noise(None))
    palette = Image.fromarray(noise(None, levels=4)).convert("P")
    assert np.array_equal(one(palette)[0]["image"], np.asarray(palette.convert("RGB")))
    assert np.array_equal(one(noise(4), channels=4)[0]["image"], noise(4))
    with pytest.raises(UserError, match="alpha channel that is not opaque"):
        one(noise(4))[0]
    assert one(noise(None), mode="RGB")[0]["image"].shape == (*SIZE, 3)


def test_palette_masks_are_indices_and_bilevel_masks_are_classes(one):
    indices = noise(None, levels=2)
    mask = Image.fromarray(indices, "P")
    mask.putpalette(bytes(range(255, -1, -1)) * 3)
    assert np.array_equal(one(mask=mask)[0]["mask"], indices)
    assert np.array_equal(one(mask=Image.fromarray(indices.astype(bool)))[0]["mask"], indices)


def test_ignored_values_become_255(one):
    mask = np.where(noise(None, levels=3) == 2, 11, noise(None, levels=3)).astype(np.uint8)
    assert np.array_equal(one(mask=mask)[0]["mask"], np.where(mask == 11, IGNORED, mask))
    assert np.array_equal(one(mask=mask.astype(np.uint16))[0]["mask"], np.where(mask == 11, IGNORED, mask))


@pytest.mark.parametrize(("extension", "kind"), [("png", np.uint16), ("tif", np.uint16), ("npy", np.float32)])
def test_more_than_8_bits_need_a_window(one, extension: str, kind: type):
    deep = noise(None, levels=4096, kind=kind)
    with pytest.raises(UserError, match=r"image\.\w+ has levels of type .* give the data a `window`"):
        one(deep, extension=extension, channels=1)[0]
    dataset = one(deep, extension=extension, channels=1, window=(1000, 3000))
    expected = np.clip(np.rint((deep.astype(float) - 1000) * 255 / 2000), 0, 255).astype(np.uint8)
    assert np.array_equal(dataset[0]["image"][..., 0], expected)
    assert dataset.images.window == (1000, 3000)


def test_levels_that_are_no_numbers(one):
    image = noise(1, kind=np.float32)
    image[3, 3] = np.nan
    with pytest.raises(UserError, match="not finite"):
        one(image, extension="npy", channels=1, window=(0, 255))[0]


def test_colour_of_16_bits_is_not_cut_silently(tmp_path: Path, write):
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite(str(tmp_path / "image.png"), noise(3, levels=65536, kind=np.uint16))
    write(tmp_path / "mask.png", noise(None, levels=2))
    with pytest.raises(UserError, match=r"16-bit colour.*\.npy"):
        opened((tmp_path / "image.png", tmp_path / "mask.png"))[0]


def test_pages(tmp_path: Path, write):
    pages = [Image.fromarray(noise()) for _ in range(3)]
    pages[0].save(tmp_path / "image.tif", save_all=True, append_images=pages[1:])
    write(tmp_path / "mask.png", noise(None, levels=2))
    with pytest.raises(UserError, match="3 pages"):
        opened((tmp_path / "image.tif", tmp_path / "mask.png"))[0]


def test_sizes_differ(one):
    with pytest.raises(UserError, match=r"image\.png is 20 x 24 .* mask.*mask\.png is 10 x 24.*same size"):
        one(mask=noise(None, (10, 24), levels=2))[0]


def test_value_outside_the_classes(one):
    mask = noise(None, levels=2)
    mask[2, 2] = 7
    with pytest.raises(UserError, match=r"mask\.png holds the value 7.*\[0, 1\].*ignored, \[11\]"):
        one(mask=mask)[0]


@pytest.mark.parametrize("kind", [np.int64, np.float32])
def test_masks_in_arrays(tmp_path: Path, write, kind: type):
    write(tmp_path / "image.png", noise())
    mask = noise(None, levels=2, kind=kind)
    mask[0, 0] = -1
    write(tmp_path / "mask.npy", mask)
    with pytest.raises(UserError, match="the value -1"):
        opened((tmp_path / "image.png", tmp_path / "mask.npy"))[0]


def test_mask_of_several_channels(one):
    with pytest.raises(UserError, match=r"is coloured \(8 colours.*add `palette:"):
        one(mask=noise(3, levels=2))[0]


@pytest.mark.parametrize("extension", ["png", "jpg", "bmp", "tif", "npy"])
@pytest.mark.parametrize("retained", [0.7, 0.0])
def test_truncated_images(one, extension: str, retained: float):
    dataset = one(noise(size=(64, 64)), noise(None, (64, 64), levels=2), extension)
    path = dataset.pairs[0].image
    path.write_bytes(path.read_bytes()[: int(retained * path.stat().st_size)])
    with pytest.raises(UserError, match=rf"the image .*image\.{extension} cannot be read .*replace or remove"):
        dataset[0]


def test_truncated_masks(one):
    dataset = one()
    path = dataset.pairs[0].mask
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match=r"the mask .*mask\.png cannot be read"):
        dataset[0]


def test_pickled_arrays_are_not_opened(one):
    dataset = one(extension="npy")
    np.save(dataset.pairs[0].image, np.array([{"code": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="cannot be read"):
        dataset[0]


def test_samples_are_the_readers_own(one):
    dataset = one()
    dataset[0]["image"][:] = 0
    assert dataset[0]["image"].any()
