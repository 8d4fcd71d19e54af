import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, read_refusal, run_command

from experiments.__main__ import VERBS, main
from experiments.command_line.verbs import name_module


def test_overview_names_every_verb() -> None:
    text = run_command("--help").stdout
    assert all(f"\n  {verb} " in text for verb in VERBS)
    assert "examples:" in text


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_examples(verb: str, capsys: pytest.CaptureFixture) -> None:
    with contextlib.suppress(SystemExit):
        assert main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"python -m experiments {verb}" in text
    assert "examples:" in text


def test_unknown_verb_and_none() -> None:
    assert "did you mean leaderboard? The verbs are" in read_refusal("leaderbord")
    assert "the verbs are" in read_refusal("xyz")
    assert run_command(check=False).returncode == 2


def test_every_verb_has_a_file_and_the_reverse() -> None:
    for verb in VERBS:
        path = ROOT / f"{name_module(verb).replace('.', '/')}.py"
        assert "def main(argv: list[str]) -> None:" in path.read_text()
    found = {path.stem for path in (ROOT / "experiments").rglob("*.py") if "\ndef main(argv" in path.read_text()}
    assert found - {"__main__"} == set(VERBS)


@pytest.mark.parametrize("words", [["--help"], ["compare", "--help"], ["corruptions", "--list"]])
def test_who_has_read_enough_hears_no_complaint(words: list[str]) -> None:
    """As in ``python -m experiments --help | head -1``, at its worst: nobody reads at all."""
    command = [sys.executable, "-m", "experiments", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""


def test_names_from_the_files_of_others_are_printed_without_control_characters(tmp_path: Path) -> None:
    """In tables and in errors alike."""
    committed = ROOT / "experiments/results/camvid/imagenet_c/fpn_mobilenet_v2.json"
    record = json.loads(committed.read_text())
    record["name"] = "net\x1b]0;pwned\x07\u202e"
    (tmp_path / "x.json").write_text(json.dumps(record))
    result = run_command("leaderboard", str(tmp_path / "x.json"))
    assert r"net\x1b]0;pwned\x07\u202e" in result.stdout
    assert "\x1b" not in result.stdout
    refused = run_command("leaderboard", str(tmp_path / "a\x1b[2Jb.json"), check=False)
    assert "\x1b" not in refused.stderr
    assert refused.returncode == 2
