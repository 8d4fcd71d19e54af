"""Several calls of `fit` in one folder, in processes of their own: one trains, the others are refused."""

import os
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import yaml
from command_line import ROOT, TINY, read_refusal
from resumed import SHORT

from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.files.lock import hold_lock
from user_error import UserError

FIT = ["fit", TINY[0], *SHORT]

TOGETHER = """
import os, sys
from pathlib import Path
import experiments.training.cli
from forks import fork
folder, *words = sys.argv[1:]
calls = []
for seed in range(3):
    with open(f"{folder}/{seed}.log", "w") as log:
        command = [sys.executable, "-m", "experiments", *words, f"--seed_everything={seed}"]
        calls.append(fork(command, os.environ, stderr=log))
print(*[call.wait() for call in calls])
"""


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 240
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.exists()


def hold_when_free(path: Path) -> AbstractContextManager[int]:
    """Hold a lock that is free now, or once a process that was just forked has run far enough to let go of it."""
    for _ in range(50):
        try:
            with hold_lock(path, "nothing"):
                break
        except UserError:
            time.sleep(0.1)
    return hold_lock(path, "nothing")


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
                assert f"a training is running in {tmp_path} already" in read_refusal(*words, *other)
    finally:
        running.kill()
        running.wait()
    with hold_when_free(tmp_path / "fit.lock"):  # whatever the loader's processes do
        assert yaml.safe_load((tmp_path / "config.yaml").read_text())["seed_everything"] == 0


def test_of_several_that_start_together_one_trains(tmp_path: Path) -> None:
    """Settings and weights are those of one and the same."""
    run = tmp_path / "run"
    command = [sys.executable, "-c", TOGETHER, str(tmp_path), *FIT, f"--run={run}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    statuses = [int(word) for word in done.stdout.splitlines()[-1].split()]
    outputs = [(tmp_path / f"{seed}.log").read_text() for seed in range(3)]
    trained = [seed for seed in range(3) if statuses[seed] == 0]
    assert len(trained) == 1, outputs
    for seed in set(range(3)) - set(trained):
        assert statuses[seed] == 2
        assert "a training is running in" in outputs[seed] or "another seed_everything" in outputs[seed]
    assert yaml.safe_load((run / "config.yaml").read_text())["seed_everything"] == trained[0]
    for name in ("best.ckpt", "last.ckpt"):
        assert read_checkpoint(run / name)["training"]["seed"] == trained[0]
