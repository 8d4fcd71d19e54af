"""The counts of a batch in the form in which a sweep keeps them."""

from collections.abc import Sequence
from typing import Any

import torch

from experiments.evaluation.scores.base import Counts
from experiments.sweeping.condition_loop import BatchCounts, ConditionLoop
from experiments.sweeping.swept import Swept
from lightning_modules.training_batch import select

Batch = dict[str, Any]


def select_images(batch: Batch, positions: Sequence[int]) -> Batch:
    """Some images of a batch."""
    at = torch.tensor(list(positions))
    return {key: value if key == "kinds" else select(value, at) for key, value in batch.items()}


def gather(batch: Batch, counted: BatchCounts, loop: ConditionLoop, real: Sequence[int]) -> Swept:
    """What a batch counted, less its filling, in the memory of numpy."""
    at = torch.tensor(list(real), device=counted.changed.device)
    counts: Counts = {name: part[:, at].cpu().numpy().swapaxes(0, 1) for name, part in counted.counts.items()}
    return Swept(
        index=batch["index"][at].cpu().numpy(),
        digests=[batch["digest"][position] for position in real],
        sums={name: getattr(loop.sums, name).cpu().numpy() for name in loop.sums.sums},  # of this process alone
        changed=counted.changed[:, at].sum(1).cpu().numpy(),
        counts=counts,
    )
