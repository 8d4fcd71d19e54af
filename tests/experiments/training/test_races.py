"""Several calls of `fit` in one folder, in processes of their own: one trains, the others are refused."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from command_line import ROOT, TINY, refusal
from resumed import SHORT

from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.files.lock import held

FIT = ["fit", TINY[0], *SHORT]

TOGETHER = """
import sys
from pathlib import Path
from experiments.__main__ import main
import experiments.training.cli
barrier, name, *words = sys.argv[1:]
(Path(barrier) / name).touch()
while not (Path(barrier) / "go").exists():
    pass
sys.exit(main(words))
"""


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 240
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.exists()


def test_nobody_else_trains_from_the_first_look_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the same settings or by others, at every stage; a trial is refused by its training."""
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    words = [*FIT, "--trainer.max_epochs=100000", f"--run={tmp_path}"]
    command = [sys.executable, "-m", "experiments", *words, "--data.init_args.num_workers=1"]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for stage in ("fit.lock", "config.yaml", "last.ckpt"):
            wait_for(tmp_path / stage, running)
            for other in ([], ["--seed_everything=5"], ["--restart"]):
                assert f"a training is running in {tmp_path} already" in refusal(*words, *other)
    finally:
        running.kill()
        running.wait()
    with held(tmp_path / "fit.lock", "nothing"):  # it is free at once, whatever the loader's processes do
        assert yaml.safe_load((tmp_path / "config.yaml").read_text())["seed_everything"] == 0


def test_of_several_that_start_together_one_trains(tmp_path: Path) -> None:
    """Settings and weights are those of one and the same."""
    run, calls = tmp_path / "run", {}
    for seed in range(3):
        command = [sys.executable, "-c", TOGETHER, str(tmp_path), str(seed), *FIT, f"--seed_everything={seed}"]
        calls[seed] = subprocess.Popen([*command, f"--run={run}"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    for seed, call in calls.items():
        wait_for(tmp_path / str(seed), call)
    (tmp_path / "go").touch()
    said = {seed: call.communicate()[1] for seed, call in calls.items()}
    trained = [seed for seed, call in calls.items() if call.returncode == 0]
    assert len(trained) == 1, said
    for seed, call in calls.items():
        if seed not in trained:
            assert call.returncode == 2
            assert "a training is running in" in said[seed] or "another seed_everything" in said[seed]
    assert yaml.safe_load((run / "config.yaml").read_text())["seed_everything"] == trained[0]
    for name in ("best.ckpt", "last.ckpt"):
        assert read_checkpoint(run / name)["training"]["seed"] == trained[0]
