import os
from pathlib import Path

import pytest

from datamodules.reading.found_files import find_files
from user_error import UserError


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_what_systems_leave_behind_is_no_image(tmp_path: Path):
    put(
        tmp_path,
        "a.png",
        "b/c.JPG",
        ".hidden.png",
        "@eaDir/a.png/THUMB.png",
        "__MACOSX/._a.png",
        "Thumbs.db",
        "n/.x/y.png",
    )
    put(tmp_path, "notes.txt", "scan.nii.gz", "d.webp", "e.tar.png")
    found = find_files(tmp_path)
    assert list(found.by_id) == ["a", "b/c", "d", "e.tar"]
    assert found.kinds_left_out == {".txt": 1, ".nii.gz": 1}
    assert found.litter == 5


def test_links_are_followed_once(tmp_path: Path):
    far = put(tmp_path / "store", "x.png", "deep/y.png")
    folder = put(tmp_path / "images", "a.png")
    (folder / "siteB").symlink_to(far)
    (far / "deep" / "again").symlink_to(folder)
    (folder / "b.png").symlink_to(far / "x.png")
    assert list(find_files(folder).by_id) == ["a", "b", "siteB/deep/y", "siteB/x"]
    (folder / "lost.png").symlink_to(far / "gone.png")
    with pytest.raises(UserError, match=r"lost\.png is a link to .*gone\.png', which does not exist"):
        find_files(folder)


def test_a_name_is_the_same_however_it_is_spelt(tmp_path: Path):
    put(tmp_path, "cafe\u0301.png")
    with open(os.path.join(os.fsencode(tmp_path), b"na\xefve.png"), "wb"):
        pass
    assert sorted(find_files(tmp_path).by_id) == ["café", "naïve"]
    put(tmp_path, "café.jpg")
    with pytest.raises(UserError, match="have the same name"):
        find_files(tmp_path)
