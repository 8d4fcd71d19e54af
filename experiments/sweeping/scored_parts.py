"""Where the predictions of a batch are scored: by its masks, or by those of its files, to which logits are interpolated."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from datamodules.batch_resize import BatchResize
from datamodules.dataset import IGNORED
from experiments.sweeping.protocol import AppliedProtocol
from lightning_modules.labels import find_classes

LARGEST = 2**27
"""Logits at the size of files that are held at once, but those of at least one image."""

BELOW = 1e4
"""How far the logit of an excluded class lies below all others of its pixel: its probability is 0 in any precision."""


class Part(NamedTuple):
    """Images of a batch that are scored at one size."""

    places: list[int]  # in the batch
    mask: Tensor  # (n, h, w) int64, with 255 for ignored classes; the very tensor as long as the masks are as clean
    inside: tuple[slice, slice]  # of the network's image, what shows the file's


class ScoredParts:
    """The masks of a batch at the size where they are scored, and the logits that belong to them.

    Args:
        batch: of the contract, on its device.
        protocol: where to score, and which classes not.
        resize: that the images of the batch went through.
        num_classes: K.
    """

    def __init__(
        self, batch: Mapping[str, Any], protocol: AppliedProtocol, resize: BatchResize, num_classes: int
    ) -> None:
        self.protocol = protocol
        self.own = [*batch["own_mask"]] if protocol.scored_at_file and "own_mask" in batch else None
        self.clean = batch["mask"]
        whole = (slice(None), slice(None))
        if self.own is None:
            self.parts = [Part([*range(len(self.clean))], self._ignore(self.clean), whole)]
            return
        self.parts = []
        for places in _group(self.own, num_classes):
            stacked = torch.stack([self.own[place] for place in places]).long()
            inside = resize.find_inside((stacked.shape[1], stacked.shape[2]))
            self.parts.append(Part(places, self._ignore(stacked), inside))

    def list_parts(self, masks: Tensor, own_masks: Sequence[Tensor] | None) -> list[Part]:
        """The parts of the batch under a condition.

        Args:
            masks: (B, H, W) of the condition.
            own_masks: (h, w) of each image at the size of its file; `None` where the condition moves none.
        """
        if self.own is None:
            moved = masks is not self.clean
            return [self.parts[0]._replace(mask=self._ignore(masks))] if moved else self.parts
        if own_masks is None:
            return self.parts
        return [
            part._replace(mask=self._ignore(torch.stack([own_masks[place] for place in part.places]).long()))
            for part in self.parts
        ]

    def fit(self, logits: Tensor) -> Iterator[Tensor]:
        """The logits (n, K, h, w) of each part, one after the other.

        Args:
            logits: (B, K, H, W) of the batch.
        """
        if self.protocol.excludes:
            lowest = logits.amin(1) - BELOW
            logits = logits.clone()
            for place in self.protocol.ignored:
                logits[:, place] = lowest
        for part in self.parts:
            yield logits if self.own is None else _interpolate(logits, part)

    def classify(self, logits: Tensor) -> list[Tensor]:
        """The predicted classes (n, h, w) of each part."""
        return [find_classes(one) for one in self.fit(logits)]

    def _ignore(self, mask: Tensor) -> Tensor:
        if not self.protocol.ignored:
            return mask
        ignored = torch.tensor(self.protocol.ignored, device=mask.device)
        return mask.masked_fill(torch.isin(mask, ignored), IGNORED)


def _interpolate(logits: Tensor, part: Part) -> Tensor:
    """As mmsegmentation brings logits to the size of a file: without the padding, bilinearly, corners not aligned."""
    seen = logits[part.places][..., part.inside[0], part.inside[1]]
    size = part.mask.shape[-2:]
    if seen.shape[-2:] == size:
        return seen
    return F.interpolate(seen.float(), size, mode="bilinear", align_corners=False)


def _group(masks: Sequence[Tensor], num_classes: int) -> Iterator[list[int]]:
    """Places of masks of one size, as many at once as `LARGEST` allows."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, mask in enumerate(masks):
        groups.setdefault(tuple(mask.shape), []).append(place)
    for places in groups.values():
        together = max(1, LARGEST // (num_classes * masks[places[0]].numel()))
        for start in range(0, len(places), together):
            yield places[start : start + together]
