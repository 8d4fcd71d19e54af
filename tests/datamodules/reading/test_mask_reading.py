from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.dataset import IGNORED
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.palettes import require_one_palette
from user_error import UserError

IDS = np.array([[0, 1, 1], [0, 2, 2]], np.uint8)
VALUES = {0: 0, 1: 1, 2: 2, 255: IGNORED}
COLOURS = {(0, 0, 0): 0, (128, 0, 0): 1, (0, 128, 0): 2}


def indexed(values: np.ndarray, colours: dict[int, tuple[int, int, int]], path: Path, **more) -> Path:
    """A picture of indices whose palette holds `colours` in their order: index k stands for the k-th of the values."""
    index = np.zeros(values.shape, np.uint8)
    for place, value in enumerate(colours):
        index[values == value] = place
    picture = Image.fromarray(index, "P")
    picture.putpalette([level for colour in colours.values() for level in colour])
    picture.save(path, **more)
    return path


def grey(*levels: int) -> dict[int, tuple[int, int, int]]:
    return {level: (level, level, level) for level in levels}


def test_a_palette_of_grey_ids_is_what_an_optimiser_makes_of_them(tmp_path: Path):
    ids = np.where(IDS == 2, 255, IDS)
    for levels in ((0, 1, 255), (1, 255, 0), (255, 0, 1)):
        path = indexed(ids, grey(*levels), tmp_path / "mask.png")
        np.testing.assert_array_equal(MaskReading(VALUES).read(path), ids)


def test_black_and_white_that_could_be_a_class_or_ignored_is_refused(tmp_path: Path):
    mask = np.where(IDS == 2, 255, 0)
    path = indexed(mask, grey(0, 255), tmp_path / "mask.png")
    with pytest.raises(UserError, match=r"number 1, shown as the level 255, means one class .*`mask_levels: stored`"):
        MaskReading(VALUES).read(path)
    assert set(MaskReading(VALUES, levels="stored").read(path).ravel()) == {0, 1}
    assert set(MaskReading(VALUES, levels="shown").read(path).ravel()) == {0, IGNORED}
    assert set(MaskReading({0: 0, 255: 1}).read(path).ravel()) == {0, 1}
    assert set(MaskReading({0: 0, 1: 1}).read(path).ravel()) == {0, 1}


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits(tmp_path: Path, bits: int):
    top = 2**bits - 1
    stored = np.array([[0, top], [top, 0]], np.uint8)
    path = write_grey(stored, bits, tmp_path / "mask.png")
    np.testing.assert_array_equal(MaskReading({0: 0, top: 1}).read(path), stored // top)
    np.testing.assert_array_equal(MaskReading({0: 0, 255: 1}).read(path), stored // top)
    with pytest.raises(UserError, match=f"{bits} bits a pixel.*mask_levels"):
        MaskReading({0: 0, top: 1, 255: IGNORED}).read(path)


def write_grey(stored: np.ndarray, bits: int, path: Path) -> Path:
    """A grey PNG of few bits a pixel; Pillow writes none of more than one."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = stored.shape
    spread = (stored[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in spread.reshape(height, -1).astype(np.uint8))
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


def test_colours_mean_the_class_whose_they_are(tmp_path: Path):
    reading = MaskReading(VALUES, {**COLOURS, (224, 224, 192): IGNORED})
    rgb = np.zeros((*IDS.shape, 3), np.uint8)
    for colour, number in COLOURS.items():
        rgb[number == IDS] = colour
    Image.fromarray(rgb).save(tmp_path / "rgb.png")
    Image.fromarray(np.dstack([rgb, np.full(IDS.shape, 255, np.uint8)])).save(tmp_path / "rgba.png")
    np.save(tmp_path / "rgb.npy", rgb)
    indexed(IDS, {2: (0, 128, 0), 0: (0, 0, 0), 1: (128, 0, 0)}, tmp_path / "indexed.png")
    for name in ("rgb.png", "rgba.png", "rgb.npy", "indexed.png"):
        np.testing.assert_array_equal(reading.read(tmp_path / name), IDS)
    with pytest.raises(UserError, match=r"is coloured \(3 colours: .*add `palette:"):
        MaskReading(VALUES).read(tmp_path / "rgb.png")
    rgb[0, 0] = 7, 8, 9
    Image.fromarray(rgb).save(tmp_path / "rgb.png")
    with pytest.raises(UserError, match=r"the colour \[7, 8, 9\], which is none of the `palette`"):
        reading.read(tmp_path / "rgb.png")
    rgb[0, 0] = 224, 224, 192
    Image.fromarray(rgb).save(tmp_path / "rgb.png")
    assert reading.read(tmp_path / "rgb.png")[0, 0] == IGNORED


def test_palettes_that_differ_from_file_to_file_are_refused(tmp_path: Path):
    reading, colours = MaskReading(VALUES), {number: colour for colour, number in COLOURS.items()}
    one = indexed(IDS, colours, tmp_path / "one.png")
    fewer = indexed(np.minimum(IDS, 1), {0: (0, 0, 0), 1: (128, 0, 0)}, tmp_path / "fewer.png")
    require_one_palette([one, fewer], reading)
    np.testing.assert_array_equal(reading.read(one), IDS)
    other = indexed(IDS, {1: (128, 0, 0), 0: (0, 0, 0), 2: (0, 128, 0)}, tmp_path / "other.png")
    with pytest.raises(UserError, match=r"in which 0 is once the colour \[0, 0, 0\] and once \[128, 0, 0\]"):
        require_one_palette([one, fewer, other], reading)
    require_one_palette([one, other], MaskReading(VALUES, COLOURS))
    require_one_palette([one, other], MaskReading(VALUES, levels="stored"))


def test_what_is_plain_is_read(tmp_path: Path):
    wide = np.repeat(IDS[..., None], 3, 2)
    Image.fromarray(wide).save(tmp_path / "grey_as_colour.png")
    Image.fromarray(np.stack([IDS, np.full_like(IDS, 255)], 2), "LA").save(tmp_path / "alpha.png")
    Image.fromarray(IDS).save(tmp_path / "lossless.webp", lossless=True)
    for name, array in {"hw1": IDS[..., None], "float": IDS.astype(np.float32), "wide": IDS.astype(np.int64)}.items():
        np.save(tmp_path / f"{name}.npy", array)
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(MaskReading(VALUES).read(path), IDS, str(path))
    np.save(tmp_path / "minus.npy", np.where(IDS == 2, -1, IDS.astype(np.int16)))
    read = MaskReading({0: 0, 1: 1, -1: IGNORED}).read(tmp_path / "minus.npy")
    np.testing.assert_array_equal(read, np.where(IDS == 2, IGNORED, IDS))


def test_what_is_not_plain_is_refused(tmp_path: Path):
    Image.fromarray(np.stack([IDS, IDS], 2), "LA").save(tmp_path / "alpha.png")
    np.save(tmp_path / "half.npy", IDS + 0.5)
    np.save(tmp_path / "bands.npy", np.zeros((2, 3, 4), np.uint8))
    for name, message in {"alpha.png": "alpha", "half.npy": "whole numbers", "bands.npy": "one channel"}.items():
        with pytest.raises(UserError, match=message):
            MaskReading(VALUES).read(tmp_path / name)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_formats_that_change_levels(tmp_path: Path, suffix: str):
    truth = np.zeros((32, 32), np.uint8)
    truth[8:20, 8:20] = 1
    path = tmp_path / f"mask.{suffix}"
    Image.fromarray(truth * 255).save(path, quality=60)
    with pytest.raises(UserError, match=r"changes levels.*`lossy_masks: nearest`"):
        MaskReading({0: 0, 255: 1}).read(path)
    assert (MaskReading({0: 0, 255: 1}, lossy=True).read(path) != truth).mean() < 0.01
    with pytest.raises(UserError, match="by more than its classes are apart"):
        MaskReading({0: 0, 1: 1}, lossy=True).read(path)
