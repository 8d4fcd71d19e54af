"""Corruptions of a sweep in training."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.images import to_type
from lightning_modules.settings import require_probability
from lightning_modules.training_batch import MASK, TrainingBatch
from user_error import UserError

WEAKEST, STRONGEST = 1, 5


class KeyedCorruption(Protocol):
    """A corruption at severities 1 to 5 whose draws follow from one key per image; the command line hands it over."""

    name: str
    """In snake_case, as in records."""

    moves_masks: bool
    """Whether the mask is moved with the image."""

    reads_masks: bool
    """Whether the corrupted image depends on the mask."""

    needs: Sequence[str]
    """Further targets that it reads."""

    def apply(self, images: Tensor, masks: Tensor, severity: int, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Corrupted copies of images, uint8 (B, C, H, W), and the masks (B, H, W) that fit them, by keys, int64 (B,)."""
        ...


class Corrupted(BatchTransform):
    """Corruptions that a sweep also shows, in training: each image meets one of them, at one severity, or none.

    Corruption, severity and key are drawn for each image. Images of one corruption and severity are corrupted together, so
    that a batch of B images costs at most B calls; on a CPU a corruption takes an image at a time anyway. Images keep their
    type: floats, as of mixup, are rounded to 8 bit where they are corrupted, since corruptions are defined on levels.

    Geirhos et al., "Generalisation in humans and deep neural networks" (NeurIPS 2018), train so, and find that a network gains on
    what it has seen and little beyond; tables count these corruptions and their relatives apart from the others.

    Args:
        corruptions: of this project, such as ``class_path: datamodules.corruptions.noise.GaussianNoise``; those which move the
            mask or depend on targets are refused. All are equally likely.
        severity: range [low, high] of the uniformly distributed whole number.
        probability: probability with which an image is corrupted.

    Raises:
        UserError: there is no corruption, one does not fit, or the range or the probability is out of bounds.
    """

    keeps_targets = True

    def __init__(
        self,
        corruptions: list[KeyedCorruption],
        severity: Sequence[int] = (WEAKEST, STRONGEST),
        probability: float = 0.5,
    ) -> None:
        require_probability("Corrupted", probability)
        if len(severity) != 2 or not WEAKEST <= severity[0] <= severity[1] <= STRONGEST:
            raise UserError(
                f"the severity of Corrupted is {list(severity)}: give [low, high], whole numbers from 1 to 5"
            )
        if not corruptions:
            raise UserError("Corrupted has no corruptions: list one or more as `corruptions`, or leave it out")
        for one in corruptions:
            _require_fitting(one)
        self.corruptions = list(corruptions)
        self.severity = (severity[0], severity[1])
        self.probability = probability

    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Corrupted images; targets as they are.

        Raises:
            UserError: a corruption refuses the images, or moves the mask without having said so.
        """
        number, device = len(batch.image), batch.image.device
        image, mask = batch.image.clone(), batch.targets[0].targets[MASK]
        keys = torch.randint(-(2**63), 2**63 - 1, (number,), generator=generator)
        for (which, severity), places in self.draw_groups(number, generator).items():
            corruption, chosen = self.corruptions[which], torch.tensor(places)
            at = chosen.to(device)
            levels, scored = to_type(image[at], torch.uint8), mask[at]
            changed, moved = corruption.apply(levels, scored, severity, keys[chosen].to(device))
            if moved is not scored:
                raise _refuse_moving(corruption.name)
            image[at] = to_type(changed, image.dtype)
        return replace(batch, image=image)

    def draw_groups(self, number: int, generator: torch.Generator) -> Mapping[tuple[int, int], list[int]]:
        """Draw what each of B images meets: the places in the batch, by place in `corruptions` and severity."""
        low, high = self.severity
        chosen = torch.rand(number, generator=generator) < self.probability
        which = torch.randint(len(self.corruptions), (number,), generator=generator)
        severity = torch.randint(low, high + 1, (number,), generator=generator)
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for place in chosen.nonzero().flatten().tolist():
            groups[int(which[place]), int(severity[place])].append(place)
        return groups


def _require_fitting(corruption: Any) -> None:
    if corruption.moves_masks:
        raise _refuse_moving(corruption.name)
    needed = ["mask"] * corruption.reads_masks + list(corruption.needs)
    if needed:
        raise UserError(
            f"Corrupted cannot take {corruption.name}, which reads the {needed[0]} of each pixel: take one of the image alone"
        )


def _refuse_moving(name: str) -> UserError:
    return UserError(
        f"Corrupted cannot take {name}, which moves the mask, and other targets would stay: take one that leaves the mask"
    )
