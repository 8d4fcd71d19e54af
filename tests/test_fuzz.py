"""A short run of the fuzz: every reader that needs no trained network meets a few changed files."""

import subprocess
import sys
from pathlib import Path

from command_line import ROOT

EACH, READERS = 2, 36


def test_changed_files_end_in_a_sentence(tmp_path: Path) -> None:
    command = [
        sys.executable,
        ROOT / "tests/fuzz.py",
        "--untrained",
        f"--inputs={EACH * READERS}",
        f"--keep={tmp_path / 'failed'}",
    ]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    titles, *_, counted, ended = result.stdout.splitlines()
    assert titles.split()[:4] == ["reader", "inputs", "read", "refused"]
    _, inputs, read, refused, *failed = counted.split()[:8]
    assert int(inputs) == int(read) + int(refused) == EACH * READERS
    assert min(int(read), int(refused)) > 0
    assert failed == ["0"] * 4
    assert ended.startswith("0 failed")
    assert not list(tmp_path.iterdir())
