"""Missing modalities: channels that are absent because of the scanner, the protocol or a broken sensor."""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import draw_key
from datamodules.corruptions.conditions import Condition
from datamodules.corruptions.declaration import JSON
from datamodules.corruptions.further_targets import TargetTensors
from datamodules.corruptions.kernels.random import draw_bits
from user_error import UserError

Fill = Literal["zero", "mean", "noise"]

MOST_GROUPS = 6  # 62 subsets; a cell's severity, the number of missing groups, ends at five


class Missing(Condition):
    """Missing groups of channels; the severity is their number.

    A full set of modalities is rare in clinical data, and every subset of them occurs (Havaei et al., "HeMIS:
    Hetero-Modal Image Segmentation", MICCAI 2016).

    Args:
        names: names of the missing groups.
        channels: indices of their channels.
        fill: "zero" (black), "mean" (the channel's mean over the image, rounded down) or "noise" (independent uniform
            levels).
    """

    family = "modality"
    kind = "modality"

    def __init__(self, names: Sequence[str], channels: Sequence[int], fill: Fill) -> None:
        self.channels = list(channels)
        self.fill = fill
        self.severity = len(names)
        self.name = f"without_{'+'.join(map(_make_slug, names))}" + ("" if fill == "zero" else f"_{fill}")

    @override
    def __call__(
        self, images: Tensor, masks: Tensor, ids: Sequence[str], seed: int, targets: TargetTensors | None = None
    ) -> tuple[Tensor, Tensor]:
        left = images.clone()
        if self.fill == "noise":
            keys = torch.tensor([draw_key(seed, name, self.name, self.severity) for name in ids], dtype=torch.int64)
            shape = (len(self.channels), *images.shape[2:])
            left[:, self.channels] = draw_bits(keys.to(images.device), shape).bitwise_right_shift_(8).to(torch.uint8)
        elif self.fill == "mean":
            lost = images[:, self.channels]
            mean = lost.sum((2, 3), keepdim=True, dtype=torch.int64) // lost.shape[2:].numel()
            left[:, self.channels] = mean.to(torch.uint8).expand_as(lost)
        else:
            left[:, self.channels] = 0
        return left, masks

    @property
    @override
    def parameters(self) -> dict[str, JSON]:
        return {"channels": [*self.channels], "fill": self.fill}


class MissingChannels:
    """Every set of channel groups that may be missing, as a condition each.

    Args:
        groups: names of the channels in each group; every channel is a group of its own if `None`.
        fills: values of the missing channels; every set gets a condition for each of them.
    """

    def __init__(self, groups: dict[str, list[str]] | None = None, fills: list[Fill] | None = None) -> None:
        self.groups = groups
        self.fills: list[Fill] = fills or ["zero"]

    def make_conditions(self, channels: Sequence[str]) -> list[Missing]:
        """One condition for each fill and each proper non-empty subset of groups, small subsets first.

        Args:
            channels: names of the image's channels.

        Raises:
            UserError: a group names an unknown channel, groups overlap, or there are too few or too many of them.
        """
        places = self._find_channels(channels)
        return [
            Missing(absent, [place for name in absent for place in places[name]], fill)
            for fill in self.fills
            for number in range(1, len(places))
            for absent in combinations(places, number)
        ]

    def _find_channels(self, channels: Sequence[str]) -> Mapping[str, list[int]]:
        groups = self.groups or {name: [name] for name in channels}
        listed = [name for group in groups.values() for name in group]
        unknown = [name for name in listed if name not in channels]
        if unknown:
            raise UserError(f"the images have no channel {unknown[0]!r}: group some of {', '.join(channels)}")
        if len(set(listed)) < len(listed) or len({_make_slug(name) for name in groups}) < len(groups):
            raise UserError(f"channel groups {dict(groups)} overlap: name each group and each channel once")
        if not 2 <= len(groups) <= MOST_GROUPS:
            raise UserError(
                f"{len(groups)} channel groups make no missing-modality conditions: give 2 to {MOST_GROUPS} `groups`"
            )
        return {name: [channels.index(channel) for channel in group] for name, group in groups.items()}


def _make_slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
