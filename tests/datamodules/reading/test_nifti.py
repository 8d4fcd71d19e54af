"""NIfTI files, held against nibabel; damaged and hostile ones."""

import gzip
import pickle
import struct
import threading
from pathlib import Path

import nibabel
import numpy as np
import pytest

from datamodules.reading import nifti
from datamodules.reading.nifti import compute_percentiles, cut_slice, read_volume_header


def save(path: Path, levels: np.ndarray, **header: float) -> Path:
    image = nibabel.Nifti1Image(levels, np.diag([1.0, 2.0, 3.0, 1.0]))
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


def draw(dtype: str = "int16", shape: tuple[int, ...] = (4, 5, 6)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 100, shape).astype(dtype)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", ["uint8", "<i2", ">i2", "float32", "uint16"])
def test_levels(kind: type, dtype: str, tmp_path: Path) -> None:
    for ending in nifti.SUFFIXES:
        path = tmp_path / f"a{ending}"
        header = kind.header_class(endianness=">" if dtype.startswith(">") else "<")
        header.set_data_dtype(dtype)
        nibabel.save(kind(draw(dtype), np.eye(4), header), path)
        found = cut_slice(path, "sagittal", 1)
        np.testing.assert_array_equal(found, nibabel.load(path).get_fdata()[1, ::-1, ::-1].T)
        assert found.dtype == np.dtype(dtype).newbyteorder("=")


def test_scaling(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    image = nibabel.Nifti1Image(draw(), np.eye(4))
    image.header.set_slope_inter(0.5, -1024)
    nibabel.save(image, path)
    whole = nibabel.load(path).get_fdata()
    np.testing.assert_array_equal(cut_slice(path, "axial", 2), whole[::-1, ::-1, 2].T)
    assert compute_percentiles(path, (25, 75)) == pytest.approx(tuple(np.percentile(whole, (25, 75))))


def test_a_file_is_decompressed_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    decompress = nifti._decompress
    monkeypatch.setattr(nifti, "_decompress", lambda *given: calls.append(given) or decompress(*given))
    path = save(tmp_path / "a.nii.gz", draw())
    threads = [threading.Thread(target=cut_slice, args=(path, "axial", place)) for place in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(calls) == 1
    path.unlink()
    save(path, draw() + 1)
    assert cut_slice(path, "axial", 0).min() > 0
    assert len(calls) == 2


def test_memory_is_bounded(tmp_path: Path) -> None:
    kept = nifti._KeptVolumes(limit=250)
    for name in "abcd":
        kept.get(name, lambda: np.zeros(100, np.uint8))
    assert list(kept._kept) == ["b", "c", "d"]


def test_a_plane_of_two_axes(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", draw(shape=(4, 5)))
    assert read_volume_header(path).shape == (4, 5, 1)
    assert cut_slice(path, "axial", 0).shape == (5, 4)
    assert read_volume_header(save(tmp_path / "b.nii", draw(shape=(4, 5, 6, 1)))).shape == (4, 5, 6)


def patch(path: Path, place: int, form: str, *values: float) -> None:
    """Overwrite fields of the header."""
    content = bytearray(path.read_bytes())
    content[place : place + struct.calcsize(form)] = struct.pack(form, *values)
    path.write_bytes(content)


def compress(path: Path) -> Path:
    """The file, compressed."""
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


HOSTILE = {
    "a huge shape": (
        lambda path: patch(path, 40, "<8h", 3, 1000, 1000, 1000, 1, 1, 1, 1),
        "for which its .* do not suffice",
    ),
    "more than memory": (lambda path: patch(path, 40, "<8h", 3, *[32767] * 7), "cut it into parts"),
    "no axis": (lambda path: patch(path, 40, "<h", 0), "says that it has 0 axes"),
    "a negative side": (lambda path: patch(path, 42, "<h", -5), "has three axes"),
    "seven axes": (lambda path: patch(path, 40, "<8h", 7, *[2] * 7), "its shape is 2 x 2 x 2 x 2 x 2 x 2 x 2"),
    "colours": (lambda path: patch(path, 70, "<h", 128), "neither integers nor floats"),
    "complex": (lambda path: patch(path, 70, "<h", 32), "neither integers nor floats"),
    "an unknown type": (lambda path: patch(path, 70, "<h", 999), "999"),
    "levels before the file": (lambda path: patch(path, 108, "<f", -8), "from byte -8 on"),
    "levels beyond the file": (lambda path: patch(path, 108, "<f", 1e9), "do not suffice"),
    "levels nowhere": (lambda path: patch(path, 108, "<f", float("nan")), "NaN"),
    "levels elsewhere": (lambda path: patch(path, 344, "<4s", b"ni1\0"), "in another file"),
    "no place in space": (lambda path: patch(path, 280, "<12f", *[float("nan")] * 12), "how it lies in space"),
    "a flat space": (lambda path: patch(path, 280, "<12f", *[0] * 12), "how it lies in space"),
    "a cut": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "do not suffice"),
    "no header": (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1"), "is no NIfTI file"),
    "an object": (lambda path: path.write_bytes(pickle.dumps(print)), "is no NIfTI file"),
    "nothing": (lambda path: path.write_bytes(b""), "is no NIfTI file"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_headers(kind: str, tmp_path: Path) -> None:
    """One error that says what it is, before memory is allocated; compressed as well, as far as compression can hold it."""
    path = save(tmp_path / "a.nii", draw())
    change, sentence = HOSTILE[kind]
    change(path)
    with pytest.raises(Exception, match=sentence):
        cut_slice(path, "axial", 0)
    with pytest.raises(Exception, match=f"{sentence}|it ends after"):
        cut_slice(compress(path), "axial", 0)


def test_damaged_compression(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", np.random.default_rng(0).integers(0, 30000, (30, 30, 30)).astype(np.int16))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ValueError, match="it is damaged"):
        cut_slice(path, "axial", 0)
