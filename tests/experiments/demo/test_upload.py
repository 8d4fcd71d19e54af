"""Uploaded files: what is read like the data, and every refusal before pixels are decoded."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from sized_scenes import ScenesDataModule

from datamodules.dataset import IGNORED
from datamodules.reading.image_reading import ImageReading
from experiments.demo import upload
from experiments.demo.upload import MOST_BYTES, read_upload
from user_error import UserError

LEVELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


class Windowed(ScenesDataModule):
    """Data of one channel that are seen through a window."""

    @property
    def reading(self) -> ImageReading:
        return ImageReading(("level",), (0.0, 1000.0))


def make_data(size: tuple[int, int] | None = (48, 48)) -> ScenesDataModule:
    return ScenesDataModule(["dark", "middle", "bright"], size=size)


def make_windowed() -> Windowed:
    return Windowed(["dark", "middle", "bright"], channels=["level"], size=(48, 48))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
def test_pixels_are_those_of_the_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a photo.{suffix}"
    Image.fromarray(LEVELS).save(path, **({"lossless": True} if suffix == "webp" else {}))
    found = read_upload(path, make_data())
    assert list(found.ids) == ["a photo"]
    assert np.array_equal(found[0]["image"], LEVELS)
    assert (found[0]["mask"] == IGNORED).all()
    assert found[0]["mask"].shape == (40, 50)


def test_a_window_is_that_of_the_data(tmp_path: Path) -> None:
    np.save(tmp_path / "scan.npy", np.linspace(0, 1000, 1600, dtype=np.float32).reshape(40, 40))
    image = read_upload(tmp_path / "scan.npy", make_windowed())[0]["image"]
    assert image.shape == (40, 40, 1)
    assert (image.min(), image.max()) == (0, 255)


def make_bad(folder: Path) -> dict[str, str]:
    """Files that are none, with what is said of each."""
    Image.fromarray(LEVELS[:8, :8]).save(folder / "small.png")
    Image.fromarray(LEVELS).save(folder / "cut.png")
    Image.fromarray(np.dstack([LEVELS, LEVELS[..., 0]])).save(folder / "glass.png")
    Image.fromarray(np.full((40, 40), np.nan, np.float32)).save(folder / "nan.tiff")
    Image.fromarray(LEVELS.astype(np.uint16)[..., 0] * 200).save(folder / "deep.png")
    Image.fromarray(LEVELS).save(folder / "pages.tiff", save_all=True, append_images=[Image.fromarray(LEVELS)])
    np.save(folder / "five.npy", np.zeros((40, 40, 5), np.uint8))
    np.save(folder / "objects.npy", np.array([{}, []], dtype=object))
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("no image")
    (folder / "notes.txt").write_text("no image")
    make_bomb(folder / "bomb.png", 60_000, 60_000)
    os.truncate(folder / "cut.png", (folder / "cut.png").stat().st_size // 2)
    return {
        "cut.png": "cannot be read",
        "bomb.png": "it has more than 178956970 pixels",
        "small.png": "corruptions are defined from 32",
        "glass.png": "alpha channel that is not opaque",
        "nan.tiff": "levels of type float32",
        "deep.png": "not 8 bit",
        "pages.tiff": "2 pages",
        "five.npy": "has 5 channels",
        "objects.npy": "cannot be read",
        "empty.png": "an empty file",
        "text.png": "cannot identify image file",
        "notes.txt": "of a kind that is not read",
        "gone.png": "no longer here",
    }


def test_each_refusal_is_a_sentence_without_the_folder(tmp_path: Path) -> None:
    for name, words in make_bad(tmp_path).items():
        with pytest.raises(UserError, match=words) as caught:
            read_upload(tmp_path / name, make_data())
        sentence = str(caught.value)
        assert name in sentence
        assert str(tmp_path) not in sentence
        assert "dataset.yaml" not in sentence
        assert "\n" not in sentence


def test_levels_that_are_no_numbers_are_refused_where_there_is_a_window(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 40), np.nan, np.float32)).save(tmp_path / "nan.tiff")
    with pytest.raises(
        UserError, match=r"'nan.tiff' holds levels that are not finite numbers: the networks take level by"
    ):
        read_upload(tmp_path / "nan.tiff", make_windowed())


def make_bomb(path: Path, width: int, height: int) -> None:
    """A PNG whose header alone says how large it is, with an orientation tag, for which Pillow would decode it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"eXIf", b"Orientation")
    )


@pytest.mark.parametrize(("side", "size"), [(4097, (48, 48)), (2049, None), (9000, (48, 48))])
def test_too_many_pixels_are_refused_by_the_header(
    tmp_path: Path, side: int, size: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bomb(tmp_path / "bomb.png", side, side)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("pixels were decoded"))
    with pytest.raises(UserError, match=f"'bomb.png' has {side} x {side} pixels, and the page takes"):
        read_upload(tmp_path / "bomb.png", make_data(size))


def test_an_array_is_measured_by_its_header_as_well(tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", np.zeros((1, 2**24 + 1), np.bool_))
    with pytest.raises(UserError, match="the page takes 16777216"):
        read_upload(tmp_path / "wide.npy", make_data())


def test_a_large_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "fat.png").open("wb") as file:
        os.truncate(file.fileno(), MOST_BYTES + 1)
    monkeypatch.setattr(upload, "open_header", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(UserError, match=r"fat\.png' has more than 64 MB"):
        read_upload(tmp_path / "fat.png", make_data())
