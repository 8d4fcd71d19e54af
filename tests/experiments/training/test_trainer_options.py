"""Numbers of batches stay numbers, fractions stay fractions."""

import contextlib
import io

import pytest
import yaml
from command_line import TINY

from experiments.training.cli import run_cli


@pytest.mark.parametrize("given", ["1", "3", "0.5", "1.0"])
def test_numbers_and_fractions_of_batches(given: str) -> None:
    """One batch is not all of them."""
    printed = io.StringIO()
    words = [f"--trainer.{name}={given}" for name in ("limit_train_batches", "overfit_batches")]
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
        run_cli([*TINY, *words, "--print_config"])
    trainer = yaml.safe_load(printed.getvalue())["trainer"]
    for name in ("limit_train_batches", "overfit_batches"):
        assert (trainer[name], type(trainer[name])) == (yaml.safe_load(given), type(yaml.safe_load(given)))
