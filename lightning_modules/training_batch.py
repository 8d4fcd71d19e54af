"""The batch that a training step learns from: images, and the targets that they are held against, each set with a weight."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from user_error import UserError

TargetKind = Literal["classes", "continuous", "whole"]
"""Class ids of the pixels, int (B, H, W), 255 where nothing is known; numbers of the pixels, (B, H, W) or (B, H, W, N), NaN
where nothing is known; or something of the whole image, (B, ...) or a list of B."""

MASK = "mask"
NO_TARGETS = ("image", "id", "kinds", "index", "digest", "conditions")
"""What else the batch of the contract holds."""


class WeightedTargets(NamedTuple):
    """Targets by name, the mask (B, H, W) among them, and what the loss against them weighs."""

    weight: float
    targets: Mapping[str, Any]


@dataclass(frozen=True)
class TrainingBatch:
    """Images with one or several sets of targets: an image that is blended of two belongs to the targets of both.

    Args:
        image: (B, C, H, W), uint8 or float in [0, 1].
        targets: the sets; their weights sum to 1.
        kinds: of every target, by name.
    """

    image: Tensor
    targets: Sequence[WeightedTargets]
    kinds: Mapping[str, TargetKind]

    def compute_mean_loss(self, loss: Callable[[Mapping[str, Any]], Tensor]) -> Tensor:
        """The mean of a loss over the sets of targets, by their weights.

        Args:
            loss: targets by name, with the images as ``image``, to a scalar.
        """
        losses = [weight * loss({**targets, "image": self.image}) for weight, targets in self.targets]
        return torch.stack(losses).sum()


def read_training_batch(batch: Mapping[str, Any]) -> TrainingBatch:
    """The batch of the contract, with its one set of targets.

    Args:
        batch: ``image``, ``mask``, ``id``, further named targets and, as ``kinds``, what each of these is.

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
    """A target of other images of the batch.

    Args:
        value: of B images, a tensor or a list.
        images: indices into the batch.
    """
    return value[images.to(value.device)] if isinstance(value, Tensor) else [value[index] for index in images.tolist()]
