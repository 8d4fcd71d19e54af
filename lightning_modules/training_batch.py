"""The batch of a training step: images, and one or several weighted sets of targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from user_error import UserError

TargetKind = Literal["classes", "continuous", "whole"]
"""Type of a target. "classes": class ids of the pixels, int (B, H, W), 255 where unknown. "continuous": numbers of the
pixels, (B, H, W) or (B, H, W, N), NaN where unknown. "whole": a property of the complete image, (B, ...) or a list of B."""

MASK = "mask"
NO_TARGETS = ("image", "id", "kinds", "index", "digest", "conditions")
"""Entries of a batch that are no targets."""


class WeightedTargets(NamedTuple):
    """Targets by name, among them the mask (B, H, W), and the weight of their loss."""

    weight: float
    targets: Mapping[str, Any]


@dataclass(frozen=True)
class TrainingBatch:
    """Images with one or several sets of targets: a blend of two images has the targets of both.

    Args:
        image: (B, C, H, W), uint8 or float in [0, 1].
        targets: the sets; their weights sum to 1.
        kinds: types of the targets, by name.
    """

    image: Tensor
    targets: Sequence[WeightedTargets]
    kinds: Mapping[str, TargetKind]

    def compute_mean_loss(self, loss: Callable[[Mapping[str, Any]], Tensor]) -> Tensor:
        """The mean of a loss over the sets of targets, by their weights.

        Args:
            loss: maps targets by name, with the images as ``image``, to a scalar.
        """
        losses = [weight * loss({**targets, "image": self.image}) for weight, targets in self.targets]
        return torch.stack(losses).sum()


def read_training_batch(batch: Mapping[str, Any]) -> TrainingBatch:
    """The training batch of a loader's batch, with one set of targets.

    Args:
        batch: ``image``, ``mask``, ``id``, further named targets and, as ``kinds``, the types of these.

    Raises:
        UserError: a target whose kind is not declared.
    """
    declared: Mapping[str, TargetKind] = {**batch.get("kinds", {}), MASK: "classes"}
    targets = {name: value for name, value in batch.items() if name not in NO_TARGETS}
    unknown = next((name for name in targets if name not in declared), None)
    if unknown is not None:
        raise UserError(
            f"the batch has a target {unknown!r} of no declared kind, so that nothing could move it with its image: declare "
            "it in the `targets` of the data set, as 'classes', 'continuous' or 'whole'"
        )
    kinds = {name: declared[name] for name in targets}
    return TrainingBatch(batch["image"], [WeightedTargets(1.0, targets)], kinds)


def select(value: Any, images: Tensor) -> Any:
    """Select the values of a target for given images of the batch.

    Args:
        value: of B images, a tensor or a list.
        images: indices into the batch.
    """
    return value[images.to(value.device)] if isinstance(value, Tensor) else [value[index] for index in images.tolist()]
