"""What the plan of a sweep says and refuses."""

from pathlib import Path

import pytest
from command_line import read_refusal

from experiments.__main__ import main


def test_the_verb(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """With the time of a pass given, the table follows from it and the measured share."""
    words = [f"--checkpoint={tiny_run / 'best.ckpt'}", "--images=13", "--suite=smoke", "--rounds=1", "--device=cpu"]
    assert main(["plan", *words, "--size", "64", "96", "--batch-size=4", "--processes", "1", "3"]) == 0
    printed = capsys.readouterr().out
    assert "13 images of 64 x 96 under the 5 conditions of smoke: 65 forward passes, measured on" in printed
    assert "| 1 | 4 | 80 |" in printed
    assert "| 3 | 2 | 40 |" in printed
    output = f"--output={tmp_path / 'plan.md'}"
    assert main(["plan", *words, "--size", "64", "96", "--pass-milliseconds=1000", output]) == 0
    assert capsys.readouterr().out == (tmp_path / "plan.md").read_text()
    assert "for forward passes of 1000 ms" in (tmp_path / "plan.md").read_text()


def test_wrong_input_is_refused(tiny_run: Path) -> None:
    words = ["plan", f"--checkpoint={tiny_run / 'best.ckpt'}", "--size", "64", "64"]
    assert "1 or more" in read_refusal(*words, "--images=0")
    assert "above 0" in read_refusal(*words, "--images=5", "--pass-milliseconds=0")
    assert "no suite 'nothing'" in read_refusal(*words, "--images=5", "--suite=nothing")
