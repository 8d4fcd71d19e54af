"""A small batch with every target, and what a head could say of it."""

from typing import Any

import numpy as np
import torch

from experiments.evaluation.scores.known import find_mean_scores
from experiments.evaluation.scores.tasks import TASK
from lightning_modules.labels import IGNORED
from lightning_modules.tasks.base import Task

CLASSES, CHANNELS = 4, 3


def batch(images: int = 3, height: int = 33, width: int = 40) -> dict[str, Any]:
    """Blocks of classes, some of them ignored, with a depth."""
    draw = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, CLASSES, (images, -(-height // 8), -(-width // 8)), generator=draw)
    mask = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, :height, :width].clone()
    mask[:, :4] = IGNORED
    return {
        "image": torch.randint(0, 256, (images, CHANNELS, height, width), dtype=torch.uint8, generator=draw),
        "mask": mask,
        "depth": torch.rand(images, height, width, generator=draw) * 5 + 0.5,
        "id": [str(number) for number in range(images)],
    }


def output_of(task: Task, target: torch.Tensor) -> torch.Tensor:
    """Something that the task's head could say."""
    shape = (len(target), task.count_channels(CLASSES, CHANNELS), *target.shape[2:])
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), requires_grad=True)


def task_scores(name: str, sums: np.ndarray) -> dict[str, float | None]:
    """Scores of a task by their own names, of the sums of its counts."""
    known = find_mean_scores()
    own = {
        one: known[one].score_sums({f"{TASK}{name}": sums}) for one in known if known[one].needs == (f"{TASK}{name}",)
    }
    return {one.partition(".")[2]: value for one, value in own.items()}
