"""CutMix: a rectangle of another image of the batch, with its mask, is pasted into each image."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_modules.callbacks.step_seed import step_seed
from lightning_modules.labels import IGNORED
from user_error import UserError

OFFSET = 0x5DEECE66D
"""Keeps these draws apart from those of dropout and its kin, which begin from the same step."""


class CutMix(pl.Callback):
    """CutMix (Yun et al., ICCV 2019) for masks (French et al., BMVC 2020).

    The pixels of every target of the batch follow those of the image; ignored pixels are pasted as ignored ones. The
    class of a whole image becomes `IGNORED` where anything was pasted into it. As in French et al. the rectangle lies
    within the image, so that it has the area that was drawn, and its height is log-uniform. It works on the batch on
    its device and thus with every variant of the module. Draws follow from (seed, step, process) alone: those of a
    resumed training are the same. A batch of one image stays as it is.

    Args:
        probability: share of the images that are pasted into.
        area: (low, high) of the uniform share of the image that a rectangle covers: (0, 1) is the Beta(1, 1) of Yun et
            al., (0.5, 0.5) the choice of French et al.

    Raises:
        UserError: the probability or the area is no share.
    """

    def __init__(self, probability: float = 0.5, area: Sequence[float] = (0.0, 1.0)) -> None:
        if not 0 <= probability <= 1:
            raise UserError(f"the probability of CutMix is {probability}: give a number from 0 to 1")
        if len(area) != 2 or not 0 <= area[0] <= area[1] <= 1:
            raise UserError(f"the area of CutMix is {list(area)}: give [low, high], shares of the image from 0 to 1")
        self.probability = probability
        self.area = tuple(area)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: dict[str, Any], batch_idx: int
    ) -> None:
        """Paste into the batch before the step takes it."""
        generator = torch.Generator().manual_seed(step_seed(trainer) + OFFSET)
        number, height, width = batch["mask"].shape
        if number > 1:
            inside = self.rectangles(number, height, width, generator)
            paste(batch, inside, draw_partners(number, generator))

    def rectangles(self, number: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Where to paste, bool (B, H, W)."""
        chosen, share, split, down, along = torch.rand(5, number, 1, generator=generator)
        share = self.area[0] + (self.area[1] - self.area[0]) * share
        rows = _interval((height * share**split).round(), down, height)
        columns = _interval((width * share ** (1 - split)).round(), along, width)
        return (chosen < self.probability)[..., None] & rows[:, :, None] & columns[:, None, :]


def _interval(length: Tensor, place: Tensor, size: int) -> Tensor:
    """An interval of each length (B, 1) among `size` pixels, bool (B, size); `place` in [0, 1) says where."""
    start = (place * (size - length + 1)).floor()
    pixels = torch.arange(size)
    return (pixels >= start) & (pixels < start + length)


def draw_partners(number: int, generator: torch.Generator) -> Tensor:
    """For each image of a batch of at least two the index of another one, (B,)."""
    return (torch.arange(number) + torch.randint(1, number, (number,), generator=generator)) % number


def paste(batch: dict[str, Any], inside: Tensor, partners: Tensor) -> None:
    """Replace the pixels `inside`, (B, H, W), of every tensor of the batch by those of its partner, (B,).

    Raises:
        UserError: the batch has a target of whole images that is no class, and thus cannot be ignored.
    """
    for name, value in batch.items():
        if not isinstance(value, Tensor):
            continue
        where = inside.to(value.device)
        if value.shape[-2:] == where.shape[-2:]:
            where = where.view(len(value), *(1,) * (value.ndim - 3), *where.shape[-2:])
            batch[name] = torch.where(where, value[partners.to(value.device)], value)
        elif value.shape == where.shape[:1] and value.dtype == torch.long:
            batch[name] = value.masked_fill(where.flatten(1).any(1), IGNORED)
        else:
            raise UserError(
                f"CutMix cannot paste {name!r}, which belongs to whole images: train without one of the two"
            )
