"""CutOut: a square of each image is covered."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.drawn_square import draw_squares
from lightning_modules.images import to_type
from lightning_modules.labels import IGNORED
from lightning_modules.settings import require_probability, require_range
from lightning_modules.training_batch import TargetKind, TrainingBatch, WeightedTargets
from user_error import UserError

Covered = Literal["kept", "ignored"]


class CutOut(BatchTransform):
    """Cutout (DeVries & Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", arXiv:1708.04552, 2017).

    A square of each image is filled with the mean colour of the batch: the paper's zero, which it sets after the mean of the
    data was subtracted. As there the middle of the square is a pixel of the image, so that it may reach beyond the border, and
    its side is half of the image's, as for CIFAR-10. Images keep their type.

    The targets of the covered pixels are kept unless they are to be ignored: what is hidden has to be found from its
    surroundings, as the paper has it for the class of an image, and a sweep over occlusions scores covered pixels too.
    Ignored, they enter no loss, as where nothing could tell what lies under the square.

    Args:
        side: range [low, high] of the uniformly distributed side of a square, relative to the shorter side of the image.
        probability: probability with which an image is covered.
        covered: what becomes of the targets of covered pixels: "kept", or "ignored" (`IGNORED` for a class, NaN for a number).
            Targets of the whole image are kept.

    Raises:
        UserError: the range or the probability is out of bounds, or `covered` is none of the two.
    """

    def __init__(self, side: Sequence[float] = (0.5, 0.5), probability: float = 1.0, covered: Covered = "kept") -> None:
        require_range("CutOut", "side", side, 2.0)
        require_probability("CutOut", probability)
        if covered not in ("kept", "ignored"):
            raise UserError(f"the covered pixels of CutOut are to be {covered!r}: give kept or ignored")
        self.side = (side[0], side[1])
        self.probability = probability
        self.covered = covered
        self.keeps_targets = covered == "kept"

    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Images with covered squares, and their targets."""
        number, _, height, width = batch.image.shape
        inside = draw_squares(self.side, number, height, width, generator)
        inside &= torch.rand(number, 1, 1, generator=generator) < self.probability
        inside = inside.to(batch.image.device)
        colour = to_type(batch.image, torch.float32).mean((0, 2, 3), keepdim=True)
        image = torch.where(inside[:, None], to_type(colour, batch.image.dtype), batch.image)
        if self.keeps_targets:
            return TrainingBatch(image, batch.targets, batch.kinds)
        sets = [
            WeightedTargets(weight, {name: _ignore(one, batch.kinds[name], inside) for name, one in targets.items()})
            for weight, targets in batch.targets
        ]
        return TrainingBatch(image, sets, batch.kinds)


def _ignore(value: Any, kind: TargetKind, inside: Tensor) -> Any:
    if kind == "whole":
        return value
    where = inside.view(*inside.shape, *(1,) * (value.ndim - inside.ndim))
    return value.masked_fill(where, IGNORED if kind == "classes" else torch.nan)
