"""Targets of the tasks under the conditions of a sweep, where a mask may have moved."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lightning_modules.tasks.base import Task, mark_unknown


class MovedTargets:
    """Makes the targets of a batch, and keeps them while the mask stays: most conditions leave it as it is."""

    def __init__(self) -> None:
        self._made: tuple[Tensor | None, dict[str, Tensor]] = (None, {})

    def find(
        self, tasks: Mapping[str, Task], batch: Mapping[str, Any], mask: Tensor, num_classes: int
    ) -> dict[str, Tensor]:
        """The target of each task under one condition.

        Depth and the clean image do not move along with a mask: of an image whose mask is another than the clean one,
        nothing is known there.

        Args:
            tasks: by name.
            batch: the clean one.
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
