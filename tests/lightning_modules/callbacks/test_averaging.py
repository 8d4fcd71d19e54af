"""Lightning's averages of weights, as a YAML names them: before they begin, resumed, and on two processes."""

from pathlib import Path

import pytest
import torch
from command_line import TINY, run_command
from pytorch_lightning.callbacks import EarlyStopping, EMAWeightAveraging
from resumed import SHORT, assert_resumes, fit

from experiments.checkpoints.checkpoint import read_checkpoint
from lightning_modules.callbacks.averaging import Averaging, mend_averages
from lightning_modules.callbacks.stochastic_weights import StochasticWeights

EMA = ("--trainer.callbacks+=pytorch_lightning.callbacks.EMAWeightAveraging", "--trainer.callbacks.decay=0.9")


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=0, msg=name)


def test_averages_keep_their_name_and_settings() -> None:
    """The name is the key of their state in a checkpoint; other callbacks stay what they are."""
    actual, other, expected = (
        StochasticWeights(),
        EarlyStopping("val/miou"),
        EMAWeightAveraging(update_starting_at_step=3),
    )
    first, second, mended = mend_averages([actual, other, expected])
    assert first is actual
    assert second is other
    assert isinstance(mended, Averaging)
    assert isinstance(mended, EMAWeightAveraging)
    assert mended.state_key == expected.state_key
    assert mended.update_starting_at_step == 3


def test_an_average_that_begins_later_leaves_the_training_alone_until_then(alone: Path, tmp_path: Path) -> None:
    """Its own weights are scored and saved: all is as without the average, to the last step but one."""
    late = fit("synthetic_unet", tmp_path, *EMA, "--trainer.callbacks.update_starting_at_step=6")
    assert "averaging_state" not in read_checkpoint(tmp_path / "last.ckpt")
    assert_same(late, read_checkpoint(alone / "last.ckpt")["state_dict"])
    best, wanted = (read_checkpoint(run / "best.ckpt") for run in (tmp_path, alone))
    assert best["epoch"] == wanted["epoch"]
    assert_same(best["state_dict"], wanted["state_dict"])


@pytest.mark.parametrize("begin", [1, 4])
def test_a_training_resumes(begin: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps make an epoch: after its average began, and before."""
    words = (*EMA, f"--trainer.callbacks.update_starting_at_step={begin}")
    assert_resumes("synthetic_unet", tmp_path, monkeypatch, *words)
    averaged = read_checkpoint(tmp_path / "resumed" / "last.ckpt")
    assert any(
        not torch.equal(value, averaged["state_dict"][name]) for name, value in averaged["current_model_state"].items()
    )


def test_two_processes(tmp_path: Path) -> None:
    """One training ran through, the other goes on from the first epoch of that, with an average that had begun there."""
    words = ["fit", TINY[0], *SHORT, *EMA, "--trainer.callbacks.update_starting_at_step=1", "--trainer.devices=2"]
    words += ["--data.init_args.train=24"]  # three steps of two batches in each epoch
    keep = ["--trainer.callbacks+=pytorch_lightning.callbacks.ModelCheckpoint", "--trainer.callbacks.save_top_k=-1"]
    keep += [f"--trainer.callbacks.dirpath={tmp_path / 'kept'}", "--trainer.callbacks.filename={epoch}"]
    run_command(*words, *keep, f"--run={tmp_path / 'whole'}", OMP_NUM_THREADS="1")
    first = tmp_path / "kept" / "epoch=0.ckpt"
    run_command(*words, f"--ckpt_path={first}", f"--run={tmp_path / 'resumed'}", OMP_NUM_THREADS="1")
    one, other = (read_checkpoint(tmp_path / run / "last.ckpt") for run in ("whole", "resumed"))
    assert int(one["averaging_state"]["n_averaged"]) == 5
    assert_same(one["state_dict"], other["state_dict"])
    assert_same(one["current_model_state"], other["current_model_state"])
