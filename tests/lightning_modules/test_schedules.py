import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_modules.schedules import CosineRestarts, CosineWithWarmup, Polynomial, Schedule, count_training_steps
from user_error import UserError


def rates(schedule: Schedule, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = schedule(optimizer, steps)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return [*seen, optimizer.param_groups[0]["lr"]]


def test_polynomial() -> None:
    assert rates(Polynomial(0.9), 10) == pytest.approx([(1 - step / 10) ** 0.9 for step in range(11)])


def test_cosine_rises_then_falls_to_the_floor() -> None:
    seen = rates(CosineWithWarmup(warmup=0.2, floor=0.1), 20)
    assert seen[:5] == sorted(seen[:5])
    assert seen[4] == pytest.approx(1.0)
    assert seen[4:] == sorted(seen[4:], reverse=True)
    assert seen[-1] == pytest.approx(0.1)
    assert seen[12] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 2)) / 2)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_short_trainings(steps: int) -> None:
    for schedule in (Polynomial(), CosineWithWarmup(), CosineWithWarmup(warmup=0.5)):
        assert all(0 <= rate <= 1 for rate in rates(schedule, steps))


@pytest.mark.parametrize(("cycles", "steps"), [(1, 7), (3, 12), (3, 11), (5, 3)])
def test_cosines_begin_anew(cycles: int, steps: int) -> None:
    schedule = CosineRestarts(cycles, 0.1)
    length = schedule.count_cycle_steps(steps)
    assert -(-steps // length) <= cycles
    wanted = [0.1 + 0.9 * (1 + math.cos(math.pi * (step % length) / length)) / 2 for step in range(steps)]
    assert rates(schedule, steps)[:-1] == pytest.approx(wanted)


def test_there_is_a_cycle() -> None:
    with pytest.raises(UserError, match="1 or more"):
        CosineRestarts(0)


def test_an_endless_training_has_no_schedule() -> None:
    trainer: Any = SimpleNamespace(estimated_stepping_batches=math.inf)
    with pytest.raises(UserError, match=r"no end.*--trainer\.max_epochs"):
        count_training_steps(trainer)
