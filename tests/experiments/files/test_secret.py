import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT

from experiments.files.secret import FOLDER, LENGTH, find_secret


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / FOLDER


def test_a_key_is_kept_and_nobody_else_reads_it(state: Path) -> None:
    previous = os.umask(0)
    try:
        key, why = find_secret()
    finally:
        os.umask(previous)
    assert why is None
    assert len(key) == LENGTH
    assert find_secret() == (key, None)
    assert [path.name for path in state.iterdir()] == ["key"]
    assert stat.S_IMODE((state / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_processes_that_begin_together_know_one_key(state: Path) -> None:
    command = "from experiments.files.secret import find_secret; print(find_secret())"
    started = [
        subprocess.Popen([sys.executable, "-c", command], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(6)
    ]
    keys = {process.communicate()[0] for process in started}
    assert keys == {f"{find_secret()}\n"}


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_damaged_key_is_made_anew(state: Path, content: bytes) -> None:
    find_secret()
    (state / "key").write_bytes(content)
    (state / "key.new").write_bytes(b"of a call that was killed")
    key, why = find_secret()
    assert why is None
    assert key == (state / "key").read_bytes() != content
    assert not (state / "key.new").exists()


def test_a_key_that_others_know_is_not_used(state: Path) -> None:
    before, _ = find_secret()
    (state / "key").chmod(0o644)
    key, why = find_secret()
    assert key != before
    assert "nobody else may read" in str(why)
    (state / "key").rename(state / "elsewhere")
    (state / "elsewhere").chmod(0o600)
    (state / "key").symlink_to("elsewhere")
    assert find_secret()[0] not in (before, key)


def test_without_a_place_the_key_is_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    (one, why), (other, _) = find_secret(), find_secret()
    assert why
    assert one != other


def test_a_state_that_is_relative_is_not_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key must not be read from a folder of somebody else only because the user works in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    find_secret()
    assert (tmp_path / "home" / ".local" / "state" / FOLDER / "key").is_file()
    assert not (tmp_path / "state").exists()
