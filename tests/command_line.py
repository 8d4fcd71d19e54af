"""Run the command line as a user would, in a process of its own."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from forks import Forks

from experiments.__main__ import main

ROOT = Path(__file__).parent.parent

SMALL_NETWORK = [
    "--model.init_args.network.init_args.encoder=tu-mobilenetv3_small_050",
    "--model.init_args.network.init_args.encoder_depth=3",
    "--model.init_args.network.init_args.decoder={decoder_channels: [64, 32, 16]}",
]
"""A U-Net of three steps, whose checkpoints take a fiftieth of the room that those of the whole one take."""

TINY = [
    "--config=experiments/configs/recipe/synthetic_unet.yaml",
    "--data.init_args.size=[64,64]",
    "--data.init_args.train=24",
    "--data.init_args.val=9",
    "--data.init_args.test=13",
    "--data.init_args.batch_size=4",
    "--data.init_args.eval_batch_size=4",
    "--data.init_args.num_workers=0",
    *SMALL_NETWORK,
    "--trainer.max_epochs=2",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
]

_forks = Forks()


def run_command(
    *words: str | Path, check: bool = True, fresh: bool = False, **environment: str | Path
) -> subprocess.CompletedProcess:
    """Run ``python -m experiments`` as a user would, in a process of its own.

    Args:
        *words: the verb and its options.
        check: whether it has to do what it is asked.
        fresh: whether it imports everything by itself, and is not forked from a process that has.
        **environment: variables that it has besides those of the tests.
    """
    arguments, variables = (
        [*map(str, words)],
        {**os.environ, **{name: str(value) for name, value in environment.items()}},
    )
    if fresh:
        command = [sys.executable, "-m", "experiments", *arguments]
        result = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    else:
        result = _forks.run(arguments, variables)
    if check and result.returncode:
        pytest.fail(f"{' '.join(arguments)}\n{result.stdout}\n{result.stderr}")
    return result


def read_refusal(*words: str | Path) -> str:
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


def read_output(*words: str | Path) -> str:
    """What a command prints that does what it is asked; in this process."""
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(printed):
        status = main([str(word) for word in words])
    assert status == 0, errors.getvalue()
    return printed.getvalue()
