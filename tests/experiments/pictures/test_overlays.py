from pathlib import Path

import numpy as np
from PIL import Image

from datamodules.datasets.voc import make_voc_palette
from experiments.pictures.overlays import ROWS, as_rgb, find_palette, overlay, save

PALETTE = np.array([[0, 0, 0], [200, 100, 0]], np.uint8)


def test_overlay_mixes_image_and_colour() -> None:
    image = np.full((1, 2, 1), 100, np.uint8)
    palette = np.array([[0, 0, 0], [200, 100, 0]], np.uint8)
    mixed = overlay(image, np.array([[0, 1]]), palette)
    np.testing.assert_array_equal(mixed, [[[50, 50, 50], [150, 100, 50]]])


def test_ignored_pixels_stay_uncoloured() -> None:
    image = np.array([[[10, 20, 30], [10, 20, 30], [10, 20, 30]]], np.uint8)
    mixed = overlay(image, np.array([[0, 1, 255]]), PALETTE)
    np.testing.assert_array_equal(mixed, [[[5, 10, 15], [105, 60, 15], [10, 20, 30]]])
    assert mixed.dtype == np.uint8


def test_any_number_of_channels_can_be_seen() -> None:
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (4, 5, 3), np.uint8)
    np.testing.assert_array_equal(as_rgb(colours), colours)
    for channels in (1, 2, 4):
        image = random.integers(0, 256, (4, 5, channels), np.uint8)
        seen = as_rgb(image)
        assert seen.shape == (4, 5, 3)
        assert seen.dtype == np.uint8
        assert np.abs(seen - image.mean(-1, keepdims=True)).max() <= 0.5


def test_palette_of_the_data_or_of_voc() -> None:
    np.testing.assert_array_equal(find_palette([[1, 2, 3], [4, 5, 6]], 2), [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(find_palette(None, 7), make_voc_palette(7))


def test_png_keeps_every_pixel(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    save(Image.fromarray(image), tmp_path / "new" / "picture.png")
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "new" / "picture.png")), image)


def test_rows_are_mixed_alike() -> None:
    """A picture of several strips is each of its rows by itself."""
    random = np.random.default_rng(0)
    image, mask = random.integers(0, 256, (2 * ROWS + 3, 5, 2), np.uint8), random.integers(0, 2, (2 * ROWS + 3, 5))
    whole = overlay(image, mask, PALETTE)
    for row in range(len(image)):
        np.testing.assert_array_equal(whole[[row]], overlay(image[[row]], mask[[row]], PALETTE))
