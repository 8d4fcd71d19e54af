"""The next process that writes into a folder removes what a killed one left half written, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

from command_line import ROOT

WRITES = """
import sys, os, signal, time
from pathlib import Path
from experiments.files.atomic_write import atomic_write
with atomic_write(Path(sys.argv[1])) as file:
    file.write("half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.readline()
"""
PREPARES = (
    "from pathlib import Path; import sys; from experiments.files.atomic_write import require_writable; "
    "require_writable(Path(sys.argv[1]))"
)


def start_writer(path: Path) -> subprocess.Popen:
    """A process in the middle of writing a file."""
    command = [sys.executable, "-c", WRITES, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    return process


def prepare_write(path: Path) -> None:
    """Have another process prepare to write into the folder of `path`."""
    subprocess.run([sys.executable, "-c", PREPARES, str(path)], cwd=ROOT, check=True)


def test_a_file_being_written_is_known_and_stays(tmp_path: Path) -> None:
    process = start_writer(tmp_path / "best.ckpt")
    (half,) = os.listdir(tmp_path)
    assert half.startswith(".best.ckpt.")
    prepare_write(tmp_path / "config.yaml")
    assert os.listdir(tmp_path) == [half]
    process.communicate("go on\n")
    assert os.listdir(tmp_path) == ["best.ckpt"]


def test_that_of_a_killed_process_goes(tmp_path: Path) -> None:
    process = start_writer(tmp_path / "best.ckpt")
    process.kill()
    process.wait()
    for name in (".notes.part", ".best.ckpt.abcdefgh", "best.ckpt.abcdefgh.part"):
        (tmp_path / name).touch()
    (tmp_path / ".best.ckpt.abcdefgh.part").mkdir()
    assert len(os.listdir(tmp_path)) == 5
    prepare_write(tmp_path / "config.yaml")
    names = {".notes.part", ".best.ckpt.abcdefgh", "best.ckpt.abcdefgh.part", ".best.ckpt.abcdefgh.part"}
    assert set(os.listdir(tmp_path)) == names


def test_a_link_leads_nowhere(tmp_path: Path) -> None:
    """Under a name of ours: neither it nor what it points at is touched."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("kept")
    (tmp_path / ".best.ckpt.abcdefgh.part").symlink_to(tmp_path / "other" / "file")
    prepare_write(tmp_path / "config.yaml")
    assert (tmp_path / ".best.ckpt.abcdefgh.part").is_symlink()
    assert (tmp_path / "other" / "file").read_text() == "kept"
