"""A checkpoint that was made of others says how, step by step."""

from pathlib import Path
from typing import Any

import pytest
from command_line import run_command

from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.checkpoints.derived_checkpoint import describe_source, describe_step, find_history
from experiments.files.digest import compute_sha256


def test_steps_are_appended(tiny_run: Path, tiny_twin: Path, tmp_path: Path) -> None:
    """An ensemble of a network and of its calibrated twin, seen in a mirror."""
    files = [tmp_path / name / "best.ckpt" for name in ("calibrated", "ensemble", "mirrored")]
    calibrate = ("calibrate", f"--checkpoint={tiny_twin / 'best.ckpt'}", f"--output={files[0]}", "--pixels=500")
    run_command(*calibrate)
    run_command("ensemble", "--checkpoints", tiny_run / "best.ckpt", files[0], f"--output={files[1]}")
    run_command("tta", f"--checkpoint={files[1]}", f"--output={files[2]}")
    ensemble, mirrored = read_checkpoint(files[2])["derived_from"]
    assert (ensemble["verb"], mirrored["verb"]) == ("ensemble", "tta")
    assert ensemble["sources"] == [compute_sha256(tiny_run / "best.ckpt"), compute_sha256(files[0])]
    assert mirrored["sources"] == [compute_sha256(files[1])]
    nothing, (calibrated,) = ensemble["histories"]
    assert nothing == []
    assert calibrated["verb"] == "calibrate"
    assert calibrated["sources"] == [compute_sha256(tiny_twin / "best.ckpt")]
    assert calibrated["settings"]["pixels"] == 500


def test_the_one_step_of_an_earlier_version_is_known() -> None:
    step = {"verb": "prune", "settings": {"ratio": 0.5}, "sources": ["a"]}
    assert find_history({"prune": {"ratio": 0.5, "from": "a"}}) == [step]
    assert find_history({"soup": {"of": ["a", "b"]}}) == [{"verb": "soup", "settings": {}, "sources": ["a", "b"]}]
    later = describe_step("tta", {"flips": "all"}, [describe_source("b", {"prune": {"ratio": 0.5, "from": "a"}})])
    assert later == [step, {"verb": "tta", "settings": {"flips": "all"}, "sources": ["b"]}]


def make_nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize("stated", ["x", 3, [3], [{"verb": make_nested(500)}], {"verb": "x"}])
def test_a_history_of_another_form_is_passed_over(stated: Any) -> None:
    assert find_history({"derived_from": stated}) == []
