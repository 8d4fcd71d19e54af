"""A training that is ended by the clock goes on exactly."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from command_line import TINY, read_output, read_refusal
from pytorch_lightning.callbacks import Timer
from resumed import SHORT

from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.training import time_limit
from experiments.training.time_limit import TimeIsUp, TimeLimit, limit_time

FIT = ("fit", TINY[0], *SHORT)


class Clock(TimeLimit):
    """One that is up after some looks instead of some time."""

    looks = 0

    def time_elapsed(self, stage: Any = None) -> float:
        """Looks so far."""
        Clock.looks += 1
        return Clock.looks


@pytest.mark.parametrize(
    "words",
    [["--trainer.max_time=00:00:00:"], ["--trainer.callbacks+=Timer", "--trainer.callbacks.duration=00:00:00:"]],
)
def test_it_goes_on_as_if_it_had_never_stopped(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three steps, and a look before each and before their epoch; the clock stands still but for these looks."""
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    read_output(*FIT, f"--run={tmp_path / 'whole'}")
    monkeypatch.setattr(time_limit, "TimeLimit", Clock)
    run = f"--run={tmp_path / 'run'}"

    def limited(seconds: int) -> tuple[str, ...]:
        Clock.looks = 0
        return (*FIT, run, *words[:-1], f"{words[-1]}{seconds:02}")

    assert "before the first epoch ended" in read_refusal(*limited(3))
    assert not (tmp_path / "run" / "last.ckpt").exists()
    output = read_output(*limited(7))
    assert "the time is up" in output
    assert "is kept after 1 epoch;" in output
    assert read_checkpoint(tmp_path / "run" / "last.ckpt")["epoch"] == 0
    assert "after 1 of 2 epochs" in read_output(*limited(59))
    one, other = (read_checkpoint(tmp_path / name / "last.ckpt")["state_dict"] for name in ("whole", "run"))
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=0, msg=name)
    assert "trained before" in read_output(*limited(1))


def test_timers_of_lightning_become_limits() -> None:
    """Those that only measure stay, and what a timer knew of earlier calls is not held against this one."""
    measuring, limiting = Timer(), Timer("00:00:01:00", interval="epoch")
    first, second, third = limit_time([measuring, limiting], {"hours": 1})
    assert first is measuring
    assert isinstance(second, TimeLimit)
    assert isinstance(third, TimeLimit)
    assert (second.time_remaining(), third.time_remaining()) == (60, 3600)
    assert second.state_key == limiting.state_key
    second.load_state_dict({"time_elapsed": {"train": 1000.0}})
    assert second.time_elapsed() == 0
    assert not second.state_dict()


def test_what_is_asked_for_at_least_comes_first() -> None:
    limit = TimeLimit({"seconds": 0})
    trainer: Any = SimpleNamespace(
        strategy=SimpleNamespace(broadcast=bool), fit_loop=SimpleNamespace(_can_stop_early=False)
    )
    limit.on_train_epoch_start(trainer, None)  # type: ignore[arg-type]
    trainer.fit_loop._can_stop_early = True
    with pytest.raises(TimeIsUp):
        limit.on_train_epoch_start(trainer, None)  # type: ignore[arg-type]
