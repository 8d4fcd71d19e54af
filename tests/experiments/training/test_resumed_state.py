"""The state of a training in a checkpoint, against the trainer that is to go on from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.training.resumed_state import require_training_state, resume
from user_error import UserError


@pytest.fixture
def content(tiny_run: Path) -> dict[str, Any]:
    return read_checkpoint(tiny_run / "last.ckpt")


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    callbacks = [ModelCheckpoint(tmp_path, "kept", monitor="val/miou"), EarlyStopping("val/miou")]
    return Trainer(accelerator="cpu", logger=False, callbacks=callbacks, enable_progress_bar=False)


def test_the_state_of_ours_is_taken(content: dict, trainer: Trainer) -> None:
    states = {callback.state_key: callback.state_dict() for callback in trainer.callbacks}  # type: ignore[attr-defined]
    require_training_state({**content, "callbacks": states}, "last.ckpt", trainer)


def replace(*keys: Any, value: Any) -> Callable[[dict], None]:
    def change(content: dict) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replace("pytorch-lightning_version", value="none"), "version is 'none'"),
        (replace("pytorch-lightning_version", value=3), "version is 3"),
        (replace("epoch", value="1"), "epoch is '1'"),
        (replace("epoch", value=-1), "epoch is -1"),
        (replace("global_step", value=None), "global_step is None"),
        (replace("loops", value=[]), "loops is"),
        (replace("callbacks", value=3), "callbacks is 3"),
        (replace("lr_schedulers", value={}), "lr_schedulers are"),
        (replace("optimizer_states", value=[1]), "optimizer_states are"),
        (replace("optimizer_states", 0, "param_groups", value={}), "param_groups"),
        (replace("optimizer_states", 0, "param_groups", 0, "lr", value="x"), "learning rate 'x'"),
        (replace("loops", "fit_loop", "epoch_progress", "current", value=3), "epoch_progress.current is 3"),
        (replace("loops", "fit_loop", "epoch_progress", "current", "ready", value=[]), "current.ready is"),
    ],
)
def test_what_is_of_another_kind_is_named(content: dict, trainer: Trainer, change: Callable, message: str) -> None:
    change(content)
    with pytest.raises(UserError, match=f"cannot go on from 'last.ckpt'.*{message}.*--restart"):
        require_training_state(content, "last.ckpt", trainer)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (ModelCheckpoint, "best_k_models", {"x": "y"}),
        (ModelCheckpoint, "best_model_path", 3),
        (ModelCheckpoint, "kth_value", torch.zeros(3)),
        (EarlyStopping, "wait_count", "x"),
    ],
)
def test_callbacks_of_other_kinds_are_named(content: dict, trainer: Trainer, kind: type, name: str, value: Any) -> None:
    callback = next(one for one in trainer.callbacks if isinstance(one, kind))  # type: ignore[attr-defined]
    states = {callback.state_key: {**callback.state_dict(), name: value}}
    with pytest.raises(UserError, match=name):
        require_training_state({**content, "callbacks": states}, "last.ckpt", trainer)


def test_what_an_optimiser_refuses_is_said_of_the_file(tiny_run: Path, trainer: Trainer) -> None:
    optimizer = torch.optim.SGD([torch.zeros(2, requires_grad=True)], 0.1)
    with (
        pytest.raises(UserError, match=r"cannot go on from .*last\.ckpt.*parameter group"),
        resume(str(tiny_run / "last.ckpt"), trainer),
    ):
        optimizer.load_state_dict({"state": {}, "param_groups": []})


def test_other_errors_keep_their_traceback(tiny_run: Path, trainer: Trainer) -> None:
    with pytest.raises(ZeroDivisionError), resume(str(tiny_run / "last.ckpt"), trainer):
        1 / 0  # noqa: B018
    with pytest.raises(ValueError, match="own"), resume(None, trainer):
        raise ValueError("own")
