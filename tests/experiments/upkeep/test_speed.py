"""The tables of the measurements; no assertion on time."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import read_refusal

from datamodules.datasets.folder import FolderDataModule
from experiments.measuring.photographs import load_photographs, make_scenes
from experiments.measuring.turns import Turns, take_turns
from experiments.sweeping.suites import find_suite
from experiments.upkeep.speed import main, restrict_suite
from experiments.upkeep.speed_corruptions import Cost, make_corruptions_table
from experiments.upkeep.speed_pipeline import list_cells, run_sweep, run_usual_pipeline, write_folder
from experiments.upkeep.speed_sweep import make_module

CPU = torch.device("cpu")
TINY = ["--suite=smoke", "--size", "64", "--rounds=1", "--batch-size=2", "--images=3", "--workers=1", "--device=cpu"]
TINY += ["--passes", "folded", "--methods", "cutmix", "supervised", "augmix_consistency"]


def read_numbers(row: str) -> list[float]:
    return [float(cell.strip(" *")) for cell in row.split("|") if re.fullmatch(r"[ *]*[\d.]+[ *]*", cell)]


def test_everything_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("imagecorruptions")
    main([*TINY, f"--output={tmp_path / 'speed.md'}"])
    text = (tmp_path / "speed.md").read_text()
    assert text in capsys.readouterr().out
    assert f"python -m experiments speed {' '.join(TINY)} --output=" in text
    assert torch.__version__ in text
    assert "### 64 x 64" in text
    for name in ("gaussian_noise", "jpeg_compression"):
        (row,) = (line for line in text.splitlines() if line.startswith(f"| {name} |"))
        assert len(read_numbers(row)) == 3
        assert min(read_numbers(row)) > 0
    assert "under the 5 conditions of `smoke`" in text  # of the sweep
    assert "under the 3 conditions of `smoke`" in text  # of the pipeline: one severity each
    rows = [
        line
        for bar in ("at most 1.08", "at most 1.15", "| exact |", "| folded |")
        for line in text.splitlines()
        if bar in line
    ]
    assert [len(read_numbers(row)) for row in rows] == [5, 5, 2, 3]
    for method, passes in (("cutmix", 1), ("supervised", 1), ("augmix_consistency", 3)):
        (row,) = (line for line in text.splitlines() if line.startswith(f"| {method} |"))
        assert read_numbers(row)[0] == passes
        assert len(read_numbers(row)) == 3
    for work in ("forward pass", "training step"):
        (row,) = (line for line in text.splitlines() if line.startswith(f"| {work} |"))
        assert len(read_numbers(row)) == 5
    for bar in ("at most 2:", "under 1:"):
        (row,) = (line for line in text.splitlines() if bar in line)
        assert len(read_numbers(row)) == 1
    assert all(min(read_numbers(row)) > 0 for row in rows)
    assert all(line == line.rstrip() for line in text.splitlines())


def test_the_two_pipelines_count_alike(tmp_path: Path) -> None:
    """JPEG and clean draw nothing, so the usual pipeline's confusion is ours, but for ties of floating point."""
    pytest.importorskip("imagecorruptions")
    write_folder(tmp_path, 3, 64)
    suite, module = restrict_suite(find_suite("smoke"), [5]), make_module(CPU)
    data = FolderDataModule(str(tmp_path), eval_batch_size=2, num_workers=0)
    candidate = run_sweep(module, data, suite, CPU, "32-true")
    baseline = run_usual_pipeline(tmp_path, list_cells(suite), module, 2, 0, CPU)
    assert candidate.sum((1, 2)).tolist() == baseline.sum((1, 2)).tolist() == [3 * 64 * 64] * 3
    names = [condition.name for condition in suite.conditions]
    for name in ("clean", "jpeg_compression"):
        place = names.index(name)
        assert (candidate[place] - baseline[place]).abs().sum() <= 4
    assert not torch.equal(candidate[0], candidate[1])


def test_turns() -> None:
    calls: list[str] = []
    turns = take_turns(lambda: calls.append("candidate"), lambda: calls.append("baseline"), range(3), CPU)
    assert calls == ["candidate", "baseline", "baseline", "candidate", "candidate", "baseline"]
    assert len(turns.overheads) == 3
    fixed = Turns([1.0, 2.0, 4.0], [8.0, 6.0, 4.0])
    assert fixed.speedup == 3.0
    assert fixed.overheads == [0.125, 2 / 6, 1.0]


@pytest.mark.parametrize(("baseline", "outcome"), [(8.0, "met"), (7.9, "not met")])
def test_bars(baseline: float, outcome: str) -> None:
    costs = [Cost("a", True, 1.0, baseline), Cost("b", True, 3.0, 3 * baseline), Cost("extra", False, 1.2, 1.0)]
    text = "\n".join(make_corruptions_table(costs, 256))
    assert f"**{baseline:.1f} times faster** (bar 8: {outcome})" in text
    assert "extra, 0.83 times faster (none slower than 1.1 times: not met)" in text
    assert "bar" not in "\n".join(make_corruptions_table(costs, 64))


@pytest.mark.parametrize("make", [load_photographs, make_scenes])
def test_images_differ(make) -> None:
    images = make(12, 48)
    assert {image.shape for image in images} == {(48, 48, 3)}
    assert len({image.tobytes() for image in images}) == 12
    assert all(np.array_equal(one, other) for one, other in zip(images, make(12, 48), strict=True))


def test_refusals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "no severity '6'" in read_refusal("speed", "--severity=6")
    assert "at least 1" in read_refusal("speed", "--rounds=0")
    assert "multiples of 32" in read_refusal("speed", "--size", "100")
    assert "too few" in read_refusal("speed", "--size", "16")
    assert "--device cpu" in read_refusal("speed", "--device=nonsense")
    assert "no suite 'nonsense'" in read_refusal("speed", "--suite=nonsense", "--measure", "sweep")
    assert "no corruption of this suite" in read_refusal("speed", "--suite=mri", "--measure", "corruptions")
    assert "it is a folder" in read_refusal("speed", f"--output={tmp_path}")
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    assert "requirements-oracle.txt" in read_refusal("speed", *TINY)
