import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from command_line import read_refusal
from resumed import SHORT, assert_resumes, fit

from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from lightning_modules.callbacks.snapshots import Snapshots
from lightning_modules.schedules import CosineRestarts

CYCLES = (
    "--model.init_args.schedule=experiments/configs/schedule/cosine_restarts.yaml",
    "--model.init_args.schedule.init_args.cycles=3",
    "--trainer.callbacks+=lightning_modules.callbacks.snapshots.Snapshots",
)


def test_a_network_at_the_end_of_each_cycle(tmp_path: Path) -> None:
    """Six steps in three cycles."""
    last = fit("synthetic_unet", tmp_path, *CYCLES)
    found = sorted(tmp_path.glob("snapshot-*.ckpt"))
    assert [path.name for path in found] == [f"snapshot-{number}.ckpt" for number in (1, 2, 3)]
    contents = [read_checkpoint(path) for path in found]
    assert [content["global_step"] for content in contents] == [2, 4, 6]
    assert all("optimizer_states" not in content for content in contents)
    states = [load_module(path).state_dict() for path in found]
    name = next(name for name, value in last.items() if value.ndim == 4 and name.endswith("weight"))
    assert len({math.fsum(state[name].flatten().tolist()) for state in states}) == 3
    for key, value in last.items():
        torch.testing.assert_close(states[-1][key], value, rtol=0, atol=0, msg=key)


def test_gathered_gradients_write_a_snapshot_once(tmp_path: Path) -> None:
    """The batches after a step, which make none, would write it again with their statistics."""
    callback = Snapshots()
    written: list[str] = []
    trainer: Any = SimpleNamespace(
        global_step=0,
        estimated_stepping_batches=4,
        default_root_dir=tmp_path,
        save_checkpoint=lambda path, weights_only: written.append(path.name),
    )
    callback.on_train_start(trainer, SimpleNamespace(schedule=CosineRestarts(cycles=2)))  # type: ignore[arg-type]
    for batch in range(12):
        trainer.global_step = (batch + 1) // 3
        callback.on_train_batch_end(trainer, None, None, None, batch)  # type: ignore[arg-type]
    assert written == ["snapshot-1.ckpt", "snapshot-2.ckpt"]


def test_a_training_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes("synthetic_unet", tmp_path, monkeypatch, *CYCLES)
    complete, resumed = (read_checkpoint(tmp_path / run / "snapshot-3.ckpt") for run in ("whole", "resumed"))
    for name, value in complete["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][name]), name


def test_a_schedule_without_cycles_is_refused(tmp_path: Path) -> None:
    recipe = "--config=experiments/configs/recipe/synthetic_unet.yaml"
    assert "cosine_restarts.yaml" in read_refusal("fit", recipe, *SHORT, f"--run={tmp_path}", CYCLES[2])
