"""A corruption of a region of the image."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import JSON, SEVERITIES, declare
from datamodules.corruptions.further_targets import TargetTensors
from datamodules.corruptions.kernels.random import draw_bits
from user_error import UserError

STREAM = 1 << 12
"""Of the region's draws: corruptions use streams below."""


class Localised(Corruption):
    """Another corruption, of a rectangle alone: the image outside of it is the clean one, bit for bit.

    With a mask M of the region, images are M C(x) + (1 - M) x, as in Marchiori Pietrosanti, Rossolini, Biondi & Buttazzo,
    "Benchmarking the Spatial Robustness of DNNs via Natural and Adversarial Localized Corruptions" (arXiv:2504.01632, 2025),
    who score the pixels within the region and those outside of it by themselves. So does a sweep: see ``miou_inside`` and
    ``miou_outside``. The complete image is corrupted and the region cut out, so that a corruption means within a
    region what it means elsewhere. The rectangle has the shape of the image, up to rounding to pixels, and lies anywhere
    within it; it is drawn for each image and severity.

    Args:
        corruption: that is cut out; its masks must stay.
        share: area of the region, relative to the image: of all severities, or five numbers, for severities 1 to 5.
        severity: of the corruption; the severity itself if `None`.
        name: in records; ``localised_`` and the name of the corruption if `None`.

    Raises:
        UserError: a share is not between 0 and 1, neither share nor severity varies, or the corruption moves masks or is of a
            region already.
    """

    def __init__(
        self,
        corruption: Corruption,
        share: float | list[float] = 0.25,
        severity: int | None = None,
        name: str | None = None,
    ) -> None:
        shares = [*share] if isinstance(share, list | tuple) else [share] * len(SEVERITIES)
        _check(corruption, shares, severity)
        self.corruption = corruption
        self.name = name or f"localised_{corruption.name}"
        self.family = corruption.family
        self.libraries = corruption.libraries
        self.exact = corruption.exact
        self.colour_only = corruption.colour_only
        self.reads_masks = corruption.reads_masks
        self.needs = corruption.needs
        self.has_region = True
        self._declared = declare(share=tuple(shares), severity=tuple([severity] * 5 if severity else SEVERITIES))

    @property
    @override
    def severities(self) -> Mapping[str, Sequence[Any]]:
        return self._declared

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, share: float, severity: int, **targets: Tensor) -> Tensor:
        region = draw_rectangle(keys, share, images.shape[2], images.shape[3])
        return torch.where(region[:, None], self.corruption(images, severity, keys, targets), images)

    @override
    def apply(
        self, images: Tensor, masks: Tensor, severity: int, keys: Tensor, targets: TargetTensors | None = None
    ) -> tuple[Tensor, Tensor]:
        if not self.reads_masks:
            return super().apply(images, masks, severity, keys, targets)
        self._check(images, severity, keys)
        parameters = self.look_up(severity)
        further = [targets or {}] if self.needs else []
        corrupted, _ = self.corruption.apply(images, masks, parameters["severity"], keys, *further)
        region = draw_rectangle(keys.to(images.device), parameters["share"], images.shape[2], images.shape[3])
        return torch.where(region[:, None], corrupted, images), masks

    @override
    def draw_region(self, keys: Tensor, severity: int, height: int, width: int) -> Tensor:
        return draw_rectangle(keys, self.look_up(severity)["share"], height, width)

    @override
    def describe_parameters(self, severity: int) -> dict[str, JSON]:
        parameters = self.look_up(severity)
        own: dict[str, JSON] = {
            "corruption": self.corruption.name,
            "severity": parameters["severity"],
            "parameters": self.corruption.describe_parameters(parameters["severity"]),
        }
        return {"share": parameters["share"], "of": own}


def draw_rectangle(keys: Tensor, share: float, height: int, width: int) -> Tensor:
    """A rectangle of the image's shape anywhere within the image: bool (B, H, W).

    Args:
        keys: int64 (B,), one per image.
        share: of the area.
        height: of the images, in pixels.
        width: of the images, in pixels.
    """
    words = draw_bits(keys, (2,), STREAM).to(torch.int64)
    inside = []
    for side, word in zip((height, width), words.unbind(1), strict=True):
        length = max(1, round(side * share**0.5))
        start = (word * (side - length + 1)).bitwise_right_shift(16)[:, None]
        line = torch.arange(side, device=keys.device)
        inside.append((line >= start) & (line < start + length))
    return inside[0][:, :, None] & inside[1][:, None]


def _check(corruption: Corruption, shares: Sequence[float], severity: int | None) -> None:
    if len(shares) != len(SEVERITIES) or not all(0 < one <= 1 for one in shares):
        raise UserError(
            f"shares of a region are {list(shares)}: give one above 0 and up to 1, or five, for severities 1 to 5"
        )
    if severity is not None and severity not in SEVERITIES:
        raise UserError(f"{corruption.name} has no severity {severity!r}: choose one of 1 to 5")
    if severity is not None and len(set(shares)) == 1:
        raise UserError(
            f"all severities of a localised {corruption.name} would be the same: give five shares, or no severity"
        )
    if corruption.moves_masks:
        raise UserError(f"{corruption.name} moves the mask, which half of an image cannot: take the one that leaves it")
    if corruption.has_region:
        raise UserError(f"{corruption.name} is of a region already: localise the corruption within it")
