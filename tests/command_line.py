"""Run the command line as a user would, in a process of its own."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.__main__ import main

ROOT = Path(__file__).parent.parent

TINY = [
    "--config=experiments/configs/recipe/synthetic_unet.yaml",
    "--data.init_args.size=[64,64]",
    "--data.init_args.train=24",
    "--data.init_args.val=9",
    "--data.init_args.test=13",
    "--data.init_args.batch_size=4",
    "--data.init_args.eval_batch_size=4",
    "--data.init_args.num_workers=0",
    "--model.init_args.network.init_args.encoder=tu-mobilenetv3_small_050",
    "--trainer.max_epochs=2",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
]


def experiments(*words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess:
    """Run ``python -m experiments`` as a user would, in a process of its own."""
    command = [sys.executable, "-m", "experiments", *map(str, words)]
    result = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    if check and result.returncode:
        pytest.fail(f"{' '.join(command)}\n{result.stdout}\n{result.stderr}")
    return result


def refusal(*words: str | Path) -> str:
    """The one sentence with which a command refuses; in this process, since many are tried."""
    printed = io.StringIO()
    with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(io.StringIO()):
        status = main([str(word) for word in words])
    text = printed.getvalue()
    assert status in (1, 2), text
    assert "Traceback" not in text, text
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, text
    return errors[0].removeprefix("error: ")


def answer(*words: str | Path) -> str:
    """What a command prints that does what it is asked; in this process."""
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(printed):
        status = main([str(word) for word in words])
    assert status == 0, errors.getvalue()
    return printed.getvalue()
