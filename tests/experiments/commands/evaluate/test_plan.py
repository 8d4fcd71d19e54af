"""What the plan of a sweep says and refuses."""

from pathlib import Path

import pytest
from command_line import read_refusal

from experiments.__main__ import main
from experiments.measuring import sweep_plan


def test_the_verb(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the time of a pass given, the table follows from it and the measured share."""
    words = [f"--checkpoint={tiny_run / 'best.ckpt'}", "--images=13", "--suite=smoke", "--rounds=1", "--device=cpu"]
    assert main(["plan", *words, "--size", "64", "96", "--batch-size=4", "--processes", "1", "3"]) == 0
    printed = capsys.readouterr().out
    assert "13 images of 64 x 96 under the 5 conditions of smoke: 65 forward passes, measured on" in printed
    assert "| 1 | 4 | 80 |" in printed
    assert "| 3 | 2 | 40 |" in printed
    output = f"--output={tmp_path / 'plan.md'}"
    monkeypatch.setattr(sweep_plan, "_measure_start", lambda: 5.0)
    assert main(["plan", *words, "--size", "64", "96", "--pass-milliseconds=1000", output]) == 0
    assert capsys.readouterr().out == (tmp_path / "plan.md").read_text()
    assert "for forward passes of 1000 ms" in (tmp_path / "plan.md").read_text()


def test_windows_are_counted(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four windows of 64 x 64 in an image of 96 x 96, and one in an image of 64 x 64."""
    monkeypatch.setattr(sweep_plan, "_measure_start", lambda: 5.0)
    protocol = tmp_path / "windows.yaml"
    protocol.write_text("windows: {window: [64, 64], stride: [32, 32]}\nscored_at: file\n")
    words = [f"--checkpoint={tiny_run / 'best.ckpt'}", "--images=1", "--suite=smoke", "--rounds=1", "--device=cpu"]
    found = []
    for size in ("64", "96"):
        own = ("--file-size", "100", "100", "--order=resize_then_corrupt")
        assert main(["plan", *words, "--size", size, size, *own, f"--protocol={protocol}"]) == 0
        found.append(float(capsys.readouterr().out.split("with ")[-1].split(" G multiply-adds")[0]))
    assert found[1] == pytest.approx(4 * found[0], rel=0.01)


def test_wrong_input_is_refused(tiny_run: Path) -> None:
    words = ["plan", f"--checkpoint={tiny_run / 'best.ckpt'}", "--size", "64", "64"]
    assert "1 or more" in read_refusal(*words, "--images=0")
    assert "above 0" in read_refusal(*words, "--images=5", "--pass-milliseconds=0")
    assert "no suite 'nothing'" in read_refusal(*words, "--images=5", "--suite=nothing")
