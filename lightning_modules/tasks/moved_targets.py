"""Targets of tasks under the conditions of a sweep, which may transform the mask."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lightning_modules.tasks.base import Task, mark_unknown


class MovedTargets:
    """Computes the targets of a batch, and caches them while the mask is the same, as under most conditions."""

    def __init__(self) -> None:
        self._made: tuple[Tensor | None, dict[str, Tensor]] = (None, {})

    def find(
        self, tasks: Mapping[str, Task], batch: Mapping[str, Any], mask: Tensor, num_classes: int
    ) -> dict[str, Tensor]:
        """The target of each task under one condition.

        Depth and the clean image are not transformed with the mask: they are unknown for images whose mask has changed.

        Args:
            tasks: by name.
            batch: the clean batch.
            mask: (B, H, W) of the condition.
            num_classes: K.
        """
        known, targets = self._made
        if known is not mask:
            moved = (mask != batch["mask"]).flatten(1).any(1)
            targets = {name: task.make_target({**batch, "mask": mask}, num_classes) for name, task in tasks.items()}
            for name, task in tasks.items():
                if not task.of_mask:
                    targets[name] = mark_unknown(targets[name], moved)
            self._made = (mask, targets)
        return targets
