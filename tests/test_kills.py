"""A short run of the script that kills; `python tests/kills.py` runs a long one."""

import subprocess
import sys

from command_line import ROOT


def test_killed_calls_end_as_those_that_ran_through() -> None:
    command = [sys.executable, "tests/kills.py", "--fit", "2", "--benchmark", "2", "--seed", "1"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "4 kills in" in result.stdout
