"""Conditions before the resize: drawn at the size of each file, then resized as the clean image is, and their regions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from datamodules.batch_resize import BatchResize
from datamodules.corruptions.conditions import Condition
from datamodules.dataset import OWN

LARGEST = 2**25
"""Levels that are corrupted at once, but at least one image: a batch of large files does not fit into memory as floats."""


class Drawn(NamedTuple):
    """A batch under a condition; the very tensors of the batch where the condition changes none of them."""

    images: Tensor  # uint8 (B, C, H, W)
    masks: Tensor  # int64 (B, H, W)
    own_masks: list[Tensor] | None  # int (h, w) at the size of each file; `None` where no mask moved there


def apply_at_own_size(
    condition: Condition, batch: Mapping[str, Any], seed: int, resize: BatchResize
) -> tuple[Tensor, Tensor]:
    """Images and masks of a batch under a condition; see `draw_at_own_size`."""
    return draw_at_own_size(condition, batch, seed, resize)[:2]


def draw_at_own_size(condition: Condition, batch: Mapping[str, Any], seed: int, resize: BatchResize) -> Drawn:
    """A batch under a condition, which is drawn at the size of each file where the batch has these.

    Images of one size are corrupted together; what comes out depends on none but the image.

    Args:
        condition: of pixels.
        batch: of the contract; ``own_image`` lists uint8 (C, h, w), ``own_mask`` uint8 (h, w) and, where a condition needs it,
            ``own_depth`` float (h, w) where images are resized.
        seed: of the suite.
        resize: that the data module gives the clean images.
    """
    images, masks, ids = batch["image"], batch["mask"], batch["id"]
    if "own_image" not in batch:
        return Drawn(*condition(images, masks, ids, seed, select_needed(condition, batch)), None)
    changed_images, changed_masks = images, masks
    own: list[Tensor] | None = None
    for places in _group_by_size(batch["own_image"]):
        own_images = torch.stack([batch["own_image"][place] for place in places])
        own_masks = torch.stack([batch["own_mask"][place] for place in places]).long()
        targets = {
            name: torch.stack([files[place] for place in places])
            for name, files in select_needed(condition, batch, OWN).items()
        }
        corrupted, moved = condition(own_images, own_masks, [ids[place] for place in places], seed, targets)
        if corrupted is not own_images:
            changed_images = images.clone() if changed_images is images else changed_images
            changed_images[places] = resize.resize_images(corrupted)
        if moved is not own_masks:
            changed_masks = masks.clone() if changed_masks is masks else changed_masks
            changed_masks[places] = resize.resize_masks(moved)
            own = [*batch["own_mask"]] if own is None else own
            for place, mask in zip(places, moved, strict=True):
                own[place] = mask
    return Drawn(changed_images, changed_masks, own)


def select_needed(condition: Condition, batch: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The targets of a batch that a condition reads, by name; those of the files with `OWN` as the prefix."""
    return {name: batch[f"{prefix}{name}"] for name in condition.needs if f"{prefix}{name}" in batch}


def draw_region_at_own_size(
    condition: Condition, batch: Mapping[str, Any], seed: int, resize: BatchResize
) -> Tensor | None:
    """The region that a condition changes, bool (B, H, W), resized like a mask; `None` where it is all of the image.

    Arguments as of `apply_at_own_size`.
    """
    ids = batch["id"]
    if "own_image" not in batch:
        return condition.draw_region(batch["image"], ids, seed)
    found = torch.zeros_like(batch["mask"], dtype=torch.bool)
    for places in _group_by_size(batch["own_image"]):
        own_images = torch.stack([batch["own_image"][place] for place in places])
        region = condition.draw_region(own_images, [ids[place] for place in places], seed)
        if region is None:
            return None
        found[places] = resize.resize_masks(region.long()) == 1
    return found


def draw_part_of_region(
    condition: Condition, batch: Mapping[str, Any], places: Sequence[int], seed: int
) -> Tensor | None:
    """The region that a condition changes, bool (n, h, w), at the size of the files at `places`, which is one.

    Arguments as of `apply_at_own_size`.
    """
    own_images = torch.stack([batch["own_image"][place] for place in places])
    return condition.draw_region(own_images, [batch["id"][place] for place in places], seed)


def _group_by_size(images: Sequence[Tensor]) -> Iterator[list[int]]:
    """Places of images of one shape, as many at once as `LARGEST` allows."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        groups.setdefault(tuple(image.shape), []).append(place)
    for places in groups.values():
        together = max(1, LARGEST // images[places[0]].numel())
        for start in range(0, len(places), together):
            yield places[start : start + together]
