from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from datamodules.reading import deep_png
from datamodules.reading.deep_png import read_deep_png_header, read_deep_png_levels


def save(path: Path, channels: int = 3, lowest_alpha: int = 65_535) -> np.ndarray:
    levels = np.random.default_rng(0).integers(0, 65_536, (12, 17, channels), dtype=np.uint16)
    levels[..., 3:] = 65_535
    levels[2, 3, 3:] = lowest_alpha
    cv2.imwrite(str(path), levels[..., [2, 1, 0, 3][:channels]])
    return levels


@pytest.mark.parametrize("channels", [3, 4])
def test_levels_are_those_stored(tmp_path: Path, channels: int) -> None:
    levels = save(tmp_path / "a.png", channels)
    assert read_deep_png_header(tmp_path / "a.png") == (12, 17, channels == 4)
    np.testing.assert_array_equal(read_deep_png_levels(tmp_path / "a.png"), levels[..., :3])


@pytest.mark.parametrize("mode", ["RGB", "I;16", "L", "P"])
def test_others_are_none(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (5, 4)).save(tmp_path / "a.png")
    assert read_deep_png_header(tmp_path / "a.png") is None
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:20])
    assert read_deep_png_header(tmp_path / "a.png") is None


@pytest.mark.parametrize("kept", [40, 300, -20, -12, -3])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: int) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:kept])
    with pytest.raises(ValueError, match="truncated"):
        read_deep_png_levels(tmp_path / "a.png")


def insert(path: Path, kind: bytes, data: bytes) -> None:
    """A chunk before the pixels."""
    content = path.read_bytes()
    place = content.index(b"IDAT") - 4
    chunk = len(data).to_bytes(4, "big") + kind + data
    check = PngImagePlugin._crc32(data, PngImagePlugin._crc32(kind)).to_bytes(4, "big")
    path.write_bytes(content[:place] + chunk + check + content[place:])


def test_what_shows_through_or_is_turned_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "alpha.png", 4, 65_534)
    save(tmp_path / "key.png")
    insert(tmp_path / "key.png", b"tRNS", b"\0\1\0\2\0\3")
    save(tmp_path / "turned.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    insert(tmp_path / "turned.png", b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    for name, reason in (("alpha", "not opaque"), ("key", "transparent"), ("turned", "orientation tag")):
        with pytest.raises(ValueError, match=reason):
            read_deep_png_levels(tmp_path / f"{name}.png")


def test_an_enormous_file_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.png")
    monkeypatch.setattr(deep_png, "MOST_PIXELS", 100)
    with pytest.raises(ValueError, match="more than 100 pixels"):
        read_deep_png_levels(tmp_path / "a.png")
