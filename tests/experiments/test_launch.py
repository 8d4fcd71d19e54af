"""The ready scripts, with real processes: torchrun itself, and SLURM as far as a script sees of it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from command_line import ROOT, TINY, run_command

from experiments.checkpoints.checkpoint import read_checkpoint

LAUNCH = ROOT / "experiments" / "launch"
SHORT = [*TINY, "--trainer.accelerator=cpu"]

SRUN = """#!/usr/bin/env bash
for task in $(seq 0 $((SLURM_NTASKS - 1))); do
    SLURM_PROCID=$task SLURM_LOCALID=$task SLURM_NODEID=0 SLURM_STEP_ID=0 "$@" &
done
status=0
for job in $(jobs -p); do wait "$job" || status=$?; done
exit $status
"""


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """What a job of two tasks finds around it: its variables, ``srun``, and an ``scontrol`` that writes down its calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"srun": SRUN, "scontrol": f'#!/bin/sh\necho "$@" >> {tmp_path}/scontrol.log\n'}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    job = {"JOB_ID": str(20_000 + os.getpid() % 9_999), "JOB_NAME": "x", "NTASKS": "2", "NTASKS_PER_NODE": "2"}
    job |= {"NNODES": "1", "NODELIST": "127.0.0.1"}
    return {**make_environment(), "PATH": f"{folder}:{os.environ['PATH']}", **{f"SLURM_{k}": v for k, v in job.items()}}


def make_environment() -> dict[str, str]:
    return {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}


def start(script: str, words: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen:
    with log.open("w") as file:
        return subprocess.Popen(
            [str(LAUNCH / script), *words],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def finish(script: str, words: list[str], environment: dict[str, str], log: Path) -> None:
    try:
        process = start(script, words, environment, log)
        assert process.wait(300) == 0, log.read_text()
    finally:
        process.kill()


def read_confusions(path: Path) -> list:
    return [cell["counts"]["confusion"] for cell in json.loads(path.read_text())["cells"]]


def test_torchrun_trains_and_sweeps(tmp_path: Path) -> None:
    """Two processes; the sweep counts what one process counts."""
    environment = {**make_environment(), "PROCESSES": "2", "PORT": str(20_000 + os.getpid() % 9_999)}
    finish("torchrun.sh", ["fit", *SHORT, f"--run={tmp_path}"], environment, tmp_path / "fit.log")
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 6  # 2 epochs of 24 images / (4 x 2 processes)
    words = [f"--checkpoint={tmp_path / 'best.ckpt'}", "--suite=smoke", "--trainer.accelerator=cpu", "--pictures=0"]
    finish("torchrun.sh", ["benchmark", *words], environment, tmp_path / "benchmark.log")
    run_command("benchmark", *words, f"--output={tmp_path / 'one.json'}", OMP_NUM_THREADS="1", WANDB_MODE="disabled")
    assert read_confusions(tmp_path / "record-smoke.json") == read_confusions(tmp_path / "one.json")


def test_a_requeued_job_loses_nothing(tmp_path: Path, slurm: dict[str, str]) -> None:
    """Warned by SIGUSR1 and stopped by SIGTERM in its second epoch; the same job again ends as one that ran through."""
    words = ["fit", *SHORT, "--trainer.max_epochs=4"]
    unbroken, run, log = tmp_path / "whole", tmp_path / "run", tmp_path / "job.log"
    run_command(*words, f"--run={unbroken}", "--trainer.devices=2", OMP_NUM_THREADS="1", WANDB_MODE="disabled")
    job = start("slurm.sh", [*words, f"--run={run}"], slurm, log)
    try:
        deadline = time.monotonic() + 200
        while not (run / "last.ckpt").exists() and time.monotonic() < deadline and job.poll() is None:
            time.sleep(0.01)
        os.kill(job.pid, signal.SIGUSR1)
        while not (tmp_path / "scontrol.log").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (tmp_path / "scontrol.log").read_text() == f"requeue {slurm['SLURM_JOB_ID']}\n"
        os.killpg(job.pid, signal.SIGTERM)
        assert job.wait(60) != 0
        subprocess.run(["pkill", "-KILL", "-g", str(job.pid)], check=False)  # what is left, as SLURM does
        stopped = read_checkpoint(run / "last.ckpt")["epoch"]
        assert stopped < 3, "it was over before it could be stopped"
        finish("slurm.sh", [*words, f"--run={run}"], slurm, log)
        assert f"resuming {run / 'last.ckpt'}" in log.read_text()
        ended, wanted = (read_checkpoint(folder / "last.ckpt")["state_dict"] for folder in (run, unbroken))
        for name, value in wanted.items():
            torch.testing.assert_close(ended[name], value, rtol=0, atol=0, msg=name)
    finally:
        subprocess.run(["pkill", "-KILL", "-g", str(job.pid)], check=False)


def test_an_ablation_as_an_array(tmp_path: Path, slurm: dict[str, str]) -> None:
    """Each task lists its own share."""
    array = {"SLURM_NTASKS": "1", "SLURM_ARRAY_TASK_COUNT": "2"}
    listed = []
    for task in ("0", "1"):
        log = tmp_path / f"{task}.log"
        sweep = str(ROOT / "experiments/configs/sweep/seeds_synthetic.yaml")
        finish("slurm_ablate.sh", [sweep, "--list"], {**slurm, **array, "SLURM_ARRAY_TASK_ID": task}, log)
        listed += [line for line in log.read_text().splitlines() if line.startswith("to do")]
    assert len(listed) == len(set(listed)) == 12
