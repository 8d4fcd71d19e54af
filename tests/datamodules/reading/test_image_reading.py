from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.reading.decoding import ORIENTATION_TAG, TURNS
from datamodules.reading.depths import require_one_depth
from datamodules.reading.image_reading import ImageReading, find_reading_problem
from datamodules.reading.sizes import read_size
from user_error import UserError

UPRIGHT = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
STORED = {2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1], 5: lambda a: a.swapaxes(0, 1)}
STORED |= {6: lambda a: np.rot90(a), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: lambda a: np.rot90(a, -1)}
"""How an upright picture is stored, by the tag that turns it back; see Exif 2.3."""


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_orientation_tags_are_obeyed_by_every_format(tmp_path: Path, suffix: str):
    assert STORED.keys() == TURNS.keys()
    path = tmp_path / f"picture.{suffix}"
    for tag, turn in STORED.items():
        exif = Image.Exif()
        exif[ORIENTATION_TAG] = tag
        stored = np.ascontiguousarray(turn(UPRIGHT))
        Image.fromarray(stored).save(path, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
        np.testing.assert_array_equal(ImageReading().read(path), UPRIGHT, f"tag {tag}")
        np.testing.assert_array_equal(ImageReading(orientation="stored").read(path), stored, f"tag {tag}")


def test_orientation_of_a_photograph(tmp_path: Path):
    smooth = np.linspace(0, 255, 48 * 32).reshape(48, 32).astype(np.uint8)[..., None].repeat(3, 2)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(smooth))).save(tmp_path / "a.jpg", quality=95, exif=exif)
    assert np.abs(ImageReading().read(tmp_path / "a.jpg").astype(int) - smooth).max() < 12


def test_alpha_is_left_out_where_it_is_opaque(tmp_path: Path):
    alpha = np.full((*UPRIGHT.shape[:2], 1), 255, np.uint8)
    Image.fromarray(np.dstack([UPRIGHT, alpha])).save(tmp_path / "a.png")
    np.testing.assert_array_equal(ImageReading().read(tmp_path / "a.png"), UPRIGHT)
    alpha[0, 0] = 254
    Image.fromarray(np.dstack([UPRIGHT, alpha])).save(tmp_path / "a.png")
    Image.fromarray(UPRIGHT).quantize(4).save(tmp_path / "b.png", transparency=0)
    Image.fromarray(UPRIGHT).save(tmp_path / "c.png", transparency=tuple(UPRIGHT[0, 0].tolist()))
    for name in "abc":
        with pytest.raises(UserError, match="alpha channel that is not opaque"):
            ImageReading().read(tmp_path / f"{name}.png")
    assert ImageReading(("red", "green", "blue", "near infrared")).read(tmp_path / "a.png").shape == (5, 7, 4)


def test_grey_and_colour_stand_for_each_other_where_both_say_the_same(tmp_path: Path):
    grey = UPRIGHT[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey).convert("RGB").save(tmp_path / "equal.png")
    Image.fromarray(UPRIGHT).save(tmp_path / "colour.png")
    np.testing.assert_array_equal(ImageReading().read(tmp_path / "grey.png"), grey[..., None].repeat(3, 2))
    np.testing.assert_array_equal(ImageReading(("ct",)).read(tmp_path / "equal.png")[..., 0], grey)
    with pytest.raises(UserError, match=r"has 3 channels, but .* with 1: .*`mode: L`"):
        ImageReading(("ct",)).read(tmp_path / "colour.png")
    with pytest.raises(UserError, match=r"has 1 channels, but .* with 3: .*`mode: RGB`"):
        ImageReading(("t1", "t2", "flair")).read(tmp_path / "grey.png")
    assert ImageReading(("ct",), mode="L").read(tmp_path / "colour.png").shape == (5, 7, 1)


def test_truth_values_are_black_and_white(tmp_path: Path):
    np.save(tmp_path / "a.npy", UPRIGHT[..., 0] > 100)
    for window in (None, (0.0, 1.0)):
        assert set(ImageReading(("a",), window).read(tmp_path / "a.npy").ravel()) == {0, 255}


def test_a_window_is_not_for_images_of_another_type(tmp_path: Path):
    np.save(tmp_path / "few.npy", UPRIGHT[..., 0])
    np.save(tmp_path / "many.npy", UPRIGHT[..., 0].astype(np.uint16) * 16)
    with pytest.raises(UserError, match=r"few\.npy has levels of 8 bits, but the `window` reaches up to 4095"):
        ImageReading(("ct",), (0, 4095)).read(tmp_path / "few.npy")
    with pytest.raises(UserError, match=r"few\.npy has levels of 8 bits and .*many\.npy of more"):
        require_one_depth([tmp_path / "many.npy", tmp_path / "few.npy"])
    require_one_depth([tmp_path / "many.npy"] * 2)


def test_markers_of_no_data_are_not_levels(tmp_path: Path):
    height = UPRIGHT[..., 0].astype(np.float32)
    height[0] = -3.4028235e38
    Image.fromarray(height).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match="nothing was measured"):
        ImageReading(("height",), (0, 255)).read(tmp_path / "a.tif")
    height[0] = -9999
    Image.fromarray(height).save(tmp_path / "a.tif", tiffinfo={42113: "-9999"})
    with pytest.raises(UserError, match="the level -9999, which it calls no data"):
        ImageReading(("height",), (0, 255)).read(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"", "an empty file"),
        (b"%!PS\n", "cannot identify"),
    ],
)
def test_files_that_are_no_pictures(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=message):
        ImageReading().read(tmp_path / "a.png")


def test_what_a_checkpoint_keeps_reads_alike():
    reading = ImageReading(("ct",), (0.0, 4095.0), "L", "stored")
    assert ImageReading.from_state(reading.as_state()) == reading
    assert ImageReading.from_state({}) == ImageReading()
    assert find_reading_problem(reading.as_state(), 1) == find_reading_problem(None, 3) == ""
    wrong = [
        ("channels", ["a", "b"]),
        ("window", [1, float("inf")]),
        ("mode", "CMYK"),
        ("orientation", "x"),
        ("channels", 3),
    ]
    for key, value in wrong:
        assert find_reading_problem({**reading.as_state(), key: value}, 1), key


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_the_size_of_a_picture_is_that_which_is_read(tmp_path: Path, suffix: str):
    for tag in (1, 3, 6):
        exif = Image.Exif()
        exif[ORIENTATION_TAG] = tag
        Image.fromarray(UPRIGHT).save(tmp_path / f"a.{suffix}", exif=exif)
        assert read_size(tmp_path / f"a.{suffix}") == ImageReading().read(tmp_path / f"a.{suffix}").shape[:2]
    np.save(tmp_path / "a.npy", UPRIGHT)
    (tmp_path / "b.png").write_bytes(b"no picture")
    assert (read_size(tmp_path / "a.npy"), read_size(tmp_path / "b.png")) == ((5, 7), None)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_planes_of_16_bits_are_not_taken_for_8(tmp_path: Path, compression: str | None) -> None:
    tifffile = pytest.importorskip("tifffile")
    planes = np.full((3, 4, 5), 40_000, np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", planes, photometric="rgb", planarconfig="separate", compression=compression)
    with pytest.raises(UserError, match="16-bit colour, which would be cut to 8 bits"):
        ImageReading().read(tmp_path / "p.tif")
