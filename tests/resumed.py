"""A training that is resumed beside one that ran through, in this process: many ideas must survive it."""

import contextlib
import io
from pathlib import Path

import pytest
import torch
from command_line import TINY

from experiments.__main__ import main
from experiments.checkpoints.checkpoint import read_checkpoint

SHORT = [*TINY[1:], "--data.init_args.train=12", "--data.init_args.val=4", "--trainer.accelerator=cpu"]


def fit(recipe: str, run: Path, *words: str, steps: int = 6) -> dict[str, torch.Tensor]:
    """Three batches of four images in each of two epochs, a step for each unless `words` differ; the weights at the end."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as printed:
        status = main(["fit", f"--config=experiments/configs/recipe/{recipe}.yaml", *SHORT, f"--run={run}", *words])
    assert not status, printed.getvalue()
    content = read_checkpoint(run / "last.ckpt")
    assert content["global_step"] == steps
    return content["state_dict"]


def assert_resumes(recipe: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str, steps: int = 6) -> None:
    """The second epoch from a checkpoint of the first ends with the weights of a training that ran through."""
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")  # the training sets it, and it is to be what it was after this test
    keep = (
        "--trainer.callbacks+=pytorch_lightning.callbacks.ModelCheckpoint",
        f"--trainer.callbacks.dirpath={folder / 'kept'}",
        "--trainer.callbacks.filename={epoch}",
        "--trainer.callbacks.save_top_k=-1",
        "--trainer.callbacks.monitor=train/loss",
        "--trainer.callbacks.save_on_train_epoch_end=true",
    )
    unbroken = fit(recipe, folder / "whole", *words, *keep, steps=steps)
    resumed = fit(recipe, folder / "resumed", *words, f"--ckpt_path={folder / 'kept' / 'epoch=0.ckpt'}", steps=steps)
    assert unbroken.keys() == resumed.keys()
    for name, value in unbroken.items():
        torch.testing.assert_close(value, resumed[name], rtol=0, atol=0, msg=name)
