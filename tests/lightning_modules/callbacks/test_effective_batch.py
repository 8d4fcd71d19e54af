"""Steps, learning rates and refusals of an effective batch, in real trainings."""

from pathlib import Path

import pytest
from command_line import TINY, read_refusal
from resumed import fit

from experiments.checkpoints.checkpoint import read_checkpoint
from lightning_modules.callbacks.effective_batch import EffectiveBatch
from user_error import UserError

WORDS = ("--trainer.callbacks+=lightning_modules.callbacks.effective_batch.EffectiveBatch",)
HALF = "--data.init_args.batch_size=2"


def rate(run: Path) -> float:
    """The learning rate that the schedule began with."""
    return float(read_checkpoint(run / "last.ckpt")["optimizer_states"][0]["param_groups"][0]["initial_lr"])


def test_smaller_batches_take_as_many_steps(alone: Path, tmp_path: Path) -> None:
    """`fit` counts the steps; the schedule is as long, and the rate as high."""
    fit("synthetic_unet", tmp_path, *WORDS, "--trainer.callbacks.size=4", HALF)
    complete, halves = (read_checkpoint(run / "last.ckpt") for run in (alone, tmp_path))
    assert complete["lr_schedulers"][0]["last_epoch"] == halves["lr_schedulers"][0]["last_epoch"]
    assert complete["lr_schedulers"][0]["_last_lr"] == pytest.approx(halves["lr_schedulers"][0]["_last_lr"])
    assert rate(alone) == rate(tmp_path)


def test_the_rate_is_scaled(alone: Path, tmp_path: Path) -> None:
    fit("synthetic_unet", tmp_path, *WORDS, "--trainer.callbacks.size=4", "--trainer.callbacks.chosen_for=16")
    assert rate(tmp_path) == pytest.approx(rate(alone) / 4)


def test_sizes_that_no_number_of_batches_gives(tmp_path: Path) -> None:
    refused = read_refusal(
        "fit", *TINY, f"--run={tmp_path}", "--trainer.accelerator=cpu", *WORDS, "--trainer.callbacks.size=6"
    )
    assert "an effective batch of 6 is not a multiple of 4 images on 1 processes" in refused
    with pytest.raises(UserError, match="1 or more"):
        EffectiveBatch(0)
