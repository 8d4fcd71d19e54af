"""The conditions of a suite over one batch."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from datamodules.corruptions.suite import Suite


class ConditionStream:
    """Yields (index of the condition, images, masks) for each condition, each drawn when it is asked for.

    A batch of nothing but filling meets only the first condition: it keeps its process in step and counts nothing.

    Args:
        suite: whose conditions.
        images: uint8 (B, C, H, W); corrupted on their device. A condition that leaves them yields the same tensor.
        masks: int64 (B, H, W), 255 where ignored.
        ids: of the images; "" is a filling, which no one counts.
        on_condition: told the number of images that count, once the consumer has come back from a condition.
    """

    def __init__(
        self,
        suite: Suite,
        images: Tensor,
        masks: Tensor,
        ids: Sequence[str],
        on_condition: Callable[[int], None] = lambda images: None,
    ) -> None:
        self.suite = suite
        self.images = images
        self.masks = masks
        self.ids = ids
        self.on_condition = on_condition
        self.changed: dict[int, Tensor] = {}  # (B,) of each condition that was met: what it left bit-equal is false

    def __len__(self) -> int:
        return len(self.suite.conditions)

    @property
    def names(self) -> list[str]:
        """What the conditions are called, in their order."""
        return [str(condition) for condition in self.suite.conditions]

    def __iter__(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        counted = sum(image_id != "" for image_id in self.ids)
        for index, condition in enumerate(self.suite.conditions if counted else self.suite.conditions[:1]):
            images, masks = condition(self.images, self.masks, self.ids, self.suite.seed)
            self.changed[index] = _differ(images, self.images) | _differ(masks, self.masks)
            yield index, images, masks
            self.on_condition(counted)


def _differ(one: Tensor, other: Tensor) -> Tensor:
    """Which entries (B,) of two tensors (B, ...) are not bit-equal."""
    if one is other:
        return torch.zeros(len(one), dtype=torch.bool, device=one.device)
    return (one != other).flatten(1).any(1)
