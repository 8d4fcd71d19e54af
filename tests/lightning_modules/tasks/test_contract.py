"""One contract for every task: targets, losses and counts that know what is unknown, and scores of the counts."""

from typing import Any

import pytest
import torch
from family_classes import list_family_classes
from task_batches import CLASSES, batch, output_of, task_scores

from experiments.evaluation.scores.known import find_mean_scores
from experiments.evaluation.scores.tasks import TASK
from lightning_modules import tasks
from lightning_modules.tasks.base import Task, mark_unknown
from lightning_modules.tasks.depth import Depth
from lightning_modules.tasks.distance import Distance
from user_error import UserError

TASKS = list_family_classes(tasks, Task)


@pytest.fixture(params=TASKS, ids=lambda kind: kind.name)
def task(request: Any) -> Task:
    return request.param()


def test_every_task_has_its_scores() -> None:
    assert {TASK + kind.name for kind in TASKS} == {
        count for one in find_mean_scores().values() for count in one.needs if count.startswith(TASK)
    }


def test_losses_are_finite_and_teach(task: Task) -> None:
    target = task.make_target(batch(), CLASSES)
    assert target.is_floating_point()
    assert target.ndim == (4 if task.dense else 2)
    output = output_of(task, target)
    loss = task.compute_loss(output, target)
    loss.backward()
    assert loss.ndim == 0
    assert torch.isfinite(loss)
    assert torch.isfinite(output.grad).all()  # type: ignore[arg-type]
    assert output.grad.abs().sum() > 0  # type: ignore[union-attr]


def test_what_is_unknown_teaches_and_counts_nothing(task: Task) -> None:
    target = mark_unknown(task.make_target(batch(), CLASSES), torch.tensor([True, True, True]))
    output = output_of(task, target)
    loss = task.compute_loss(output, target)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(output.grad, torch.zeros_like(output))  # type: ignore[arg-type]
    assert not task.compute_counts(output, target).any()


def test_counts_of_images_are_those_of_the_batch(task: Task) -> None:
    given = batch()
    target = task.make_target(given, CLASSES)
    output = output_of(task, target)
    counts = task.compute_counts(output, target)
    assert counts.dtype == torch.int64
    assert (counts >= 0).all()
    each = torch.cat(
        [task.compute_counts(one, other) for one, other in zip(output.split(1), target.split(1), strict=True)]
    )
    assert torch.equal(counts, each)
    sums = counts.sum(0).numpy()
    assert all(value is not None for value in task_scores(task.name, sums).values())
    assert all(value is None for value in task_scores(task.name, 0 * sums).values())


def test_a_target_the_data_lack_is_named() -> None:
    with pytest.raises(UserError, match=r"'depth'.*image, mask"):
        Depth().make_target({key: value for key, value in batch().items() if key != "depth"}, CLASSES)


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(UserError, match="reach"):
        Distance(reach=0)
