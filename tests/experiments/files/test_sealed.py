from pathlib import Path

import pytest

from experiments.files.sealed import PIECE, derive_key, is_sealed, read_sealed, write_sealed

KEY = derive_key(b"secret", b"purpose")


@pytest.mark.parametrize("content", [b"", b"counts", b"x" * (PIECE + 1)], ids=len)
def test_what_was_sealed_is_read(tmp_path: Path, content: bytes) -> None:
    write_sealed(tmp_path / "a", content, KEY)
    assert is_sealed(tmp_path / "a", KEY)
    assert read_sealed(tmp_path / "a", KEY) == content


def test_a_seal_holds_for_its_bytes_its_name_and_its_key(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_sealed(path, b"counts", KEY)
    sealed = path.read_bytes()
    assert read_sealed(path, derive_key(b"secret", b"other")) is None
    assert read_sealed(path.rename(tmp_path / "b"), KEY) is None
    altered = [sealed[:end] for end in range(len(sealed))] + [sealed + b"x", b"x" + sealed]
    altered += [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for content in altered:
        path.write_bytes(content)
        assert not is_sealed(path, KEY)
        assert read_sealed(path, KEY) is None


def test_what_is_no_file_has_no_seal(tmp_path: Path) -> None:
    write_sealed(tmp_path / "real" / "a", b"counts", KEY)
    (tmp_path / "a").symlink_to(tmp_path / "real" / "a")
    (tmp_path / "folder").mkdir()
    for name in ("a", "folder", "nothing"):
        assert not is_sealed(tmp_path / name, KEY)
