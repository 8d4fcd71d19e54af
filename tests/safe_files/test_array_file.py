import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from safe_files.array_file import read_array, read_arrays, read_header
from user_error import UserError


def lie(array: np.ndarray, message: str, instead: str) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue().replace(message.encode(), instead.encode())


def pack(path: Path, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.npy", content)
    return path


def test_arrays_are_what_numpy_wrote(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.array(["x", "yz"]), "c": np.zeros((0, 3))}
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    found = read_arrays(tmp_path / "x.npz", "mend it")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    np.save(tmp_path / "x.npy", arrays["a"])
    np.testing.assert_array_equal(read_array(tmp_path / "x.npy"), arrays["a"])
    assert read_header(tmp_path / "x.npy").shape == (2, 3)


@pytest.mark.parametrize(
    "content",
    [
        lie(np.zeros(3), "(3,), }         ", "(999999999999,),"),
        lie(np.zeros((0, 3)), "(0, 3), }          ", "(0, 9999999999999)}"),
        lie(np.zeros(3), "(3,)", "(-3,"),
        lie(np.zeros(3), "(3,)", "(" * 4),
        lie(np.zeros(3), "<f8", "|O8"),
        lie(np.zeros(3), "<f8", "<M8"),
        b"",
        b"\x93NUMPY\x01\x00",
    ],
)
def test_what_an_array_declares_is_checked_before_memory_is_taken(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match=r"is not a file of arrays.*mend it"):
        read_arrays(pack(tmp_path / "x.npz", content), "mend it")
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ValueError, match="array"):
        read_array(tmp_path / "x.npy")


def test_more_than_was_asked_for_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(10**6))
    assert (tmp_path / "x.npz").stat().st_size < 10_000
    with pytest.raises(UserError, match="8000000 bytes"):
        read_arrays(tmp_path / "x.npz", "mend it", limit=10**6)


def test_archives_of_another_kind(tmp_path: Path) -> None:
    array = lie(np.zeros(3), "", "")
    with pytest.raises(UserError, match="packed in another way"):
        read_arrays(pack(tmp_path / "x.npz", array, zipfile.ZIP_BZIP2), "mend it")
    complete = pack(tmp_path / "x.npz", array).read_bytes()
    for content in (complete[:-30], complete[:40] + bytes(20) + complete[60:], b"PK"):
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(UserError, match="mend it"):
            read_arrays(tmp_path / "x.npz", "mend it")
