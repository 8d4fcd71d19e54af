"""CutMix: a rectangle of another image of the batch, with its targets, is pasted into each image."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.partners import draw_partners
from lightning_modules.labels import IGNORED
from lightning_modules.settings import require_probability
from lightning_modules.training_batch import TargetKind, TrainingBatch, WeightedTargets
from user_error import UserError


class CutMix(BatchTransform):
    """CutMix (Yun et al., ICCV 2019) for masks (French et al., BMVC 2020).

    The pixels of every target are pasted with those of the image, ignored pixels included. Targets of the complete image
    become unknown where anything was pasted into it: `IGNORED` for a class, NaN for a number. As in French et al. the
    rectangle lies within the image, so that it has the area that was drawn, and its height is log-uniform. A batch of one
    image is returned unchanged.

    Args:
        probability: probability with which an image is pasted into.
        area: range (low, high) of the uniformly distributed ratio of the image that a rectangle covers: (0, 1) is the
            Beta(1, 1) of Yun et al., (0.5, 0.5) the choice of French et al.

    Raises:
        UserError: the probability or the area is out of range.
    """

    mixes_images = True

    def __init__(self, probability: float = 0.5, area: Sequence[float] = (0.0, 1.0)) -> None:
        require_probability("CutMix", probability)
        if len(area) != 2 or not 0 <= area[0] <= area[1] <= 1:
            raise UserError(f"the area of CutMix is {list(area)}: give [low, high], shares of the image from 0 to 1")
        self.probability = probability
        self.area = tuple(area)

    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Images and targets with pasted rectangles."""
        number, _, height, width = batch.image.shape
        if number == 1:
            return batch
        inside = self.draw_rectangles(number, height, width, generator)
        return paste(batch, inside, draw_partners(number, generator))

    def draw_rectangles(self, number: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Random rectangles, bool (B, H, W)."""
        chosen, ratio, split, down, along = torch.rand(5, number, 1, generator=generator)
        ratio = self.area[0] + (self.area[1] - self.area[0]) * ratio
        rows = _make_interval((height * ratio**split).round(), down, height)
        columns = _make_interval((width * ratio ** (1 - split)).round(), along, width)
        return (chosen < self.probability)[..., None] & rows[:, :, None] & columns[:, None, :]


def _make_interval(length: Tensor, place: Tensor, size: int) -> Tensor:
    """Intervals of given lengths (B, 1) among `size` pixels, bool (B, size), at relative positions `place` in [0, 1)."""
    start = (place * (size - length + 1)).floor()
    pixels = torch.arange(size)
    return (pixels >= start) & (pixels < start + length)


def paste(batch: TrainingBatch, inside: Tensor, partners: Tensor) -> TrainingBatch:
    """The batch with the pixels `inside`, (B, H, W), of images and targets replaced by those of the partners, (B,).

    Raises:
        UserError: a target of whole images is neither a class nor a number, and thus cannot be unknown.
    """
    inside, partners = inside.to(batch.image.device), partners.to(batch.image.device)
    image = torch.where(inside[:, None], batch.image[partners], batch.image)
    sets = [
        WeightedTargets(
            weight,
            {name: _paste_target(name, value, batch.kinds[name], inside, partners) for name, value in targets.items()},
        )
        for weight, targets in batch.targets
    ]
    return TrainingBatch(image, sets, batch.kinds)


def _paste_target(name: str, value: Any, kind: TargetKind, inside: Tensor, partners: Tensor) -> Any:
    if kind != "whole":
        where = inside.view(*inside.shape, *(1,) * (value.ndim - inside.ndim))
        return torch.where(where, value[partners], value)
    if not isinstance(value, Tensor):
        return value  # a text, which enters no loss
    if not value.is_floating_point() and (value.dtype == torch.bool or torch.iinfo(value.dtype).max < IGNORED):
        raise UserError(
            f"CutMix cannot paste into images with the target {name!r} of the whole image, which has the type {value.dtype} "
            f"and so no value that means unknown: hand it over as an integer ({IGNORED} is unknown) or a float (NaN), or "
            "train without one of the two"
        )
    changed = inside.flatten(1).any(1)
    unknown = torch.nan if value.is_floating_point() else IGNORED
    return value.masked_fill(changed.view(-1, *(1,) * (value.ndim - 1)), unknown)
