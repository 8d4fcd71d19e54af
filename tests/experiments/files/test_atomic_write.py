import os
from pathlib import Path

import pytest

from experiments.__main__ import describe
from experiments.files.atomic_write import atomic_write, require_writable


def test_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file.txt"
    with atomic_write(path) as file:
        file.write("all")
        assert not path.exists()
    assert path.read_text() == "all"


def test_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("before")
    with pytest.raises(TypeError), atomic_write(path) as file:
        file.writelines(["half", None])
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        require_writable(tmp_path / "file" / "record.json")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_said_in_one_sentence() -> None:
    with pytest.raises(OSError, match="No space") as caught, open("/dev/full", "w", buffering=1) as full:
        full.write("line\n")
    assert "the disk is full" in describe(caught.value)


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_the_users_umask_decides_who_may_read(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        with atomic_write(tmp_path / "patients.png") as file:
            file.write("")
    finally:
        assert os.umask(before) == mask
    assert (tmp_path / "patients.png").stat().st_mode & 0o777 == mode


def test_trying_whether_a_folder_can_be_written_leaves_what_lies_there(tmp_path: Path) -> None:
    """Its name cannot be guessed, so that no link of another user is followed or removed."""
    (tmp_path / ".record.json.probe").symlink_to(tmp_path / "elsewhere")
    require_writable(tmp_path / "record.json")
    assert os.listdir(tmp_path) == [".record.json.probe"]
    assert not (tmp_path / "elsewhere").exists()
