"""One operation for each image of a batch: images with the same one are changed together."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_modules.batch_transforms.operations.geometric import Warp, make_warp, warp_image, warp_target
from lightning_modules.batch_transforms.operations.operation import Geometric, Operation, Photometric
from lightning_modules.labels import IGNORED
from lightning_modules.training_batch import TrainingBatch, WeightedTargets
from user_error import UserError

NONE = -1
"""The choice of an image that no operation changes."""


class Drawn(NamedTuple):
    """The operation of each image, as an index or `NONE`, and its strength: of one shape, on the CPU."""

    choice: Tensor
    strength: Tensor

    def leave_out(self, spared: Tensor) -> "Drawn":
        """Without the operations where `spared` is true."""
        return Drawn(self.choice.masked_fill(spared, NONE), self.strength)

    def split(self) -> list["Drawn"]:
        """Those along the first axis."""
        return [Drawn(*one) for one in zip(*self, strict=True)]


def draw_operations(operations: Sequence[Operation], magnitudes: Tensor, generator: torch.Generator) -> Drawn:
    """Draw operations uniformly, and the signs of those that have one.

    Args:
        operations: the family, of K.
        magnitudes: (K, ...), of each operation if it is drawn, in [0, 1].
        generator: on the CPU.

    Returns:
        One operation for each place (...).
    """
    choice = torch.randint(len(operations), magnitudes.shape[1:], generator=generator)
    sign = 1.0 - 2.0 * torch.randint(2, choice.shape, generator=generator)
    pairs = zip(operations, magnitudes, strict=True)
    strength = torch.stack([operation.compute_strength(magnitude, sign) for operation, magnitude in pairs])
    return Drawn(choice, strength.gather(0, choice[None])[0])


def apply_to_images(image: Tensor, operations: Sequence[Operation], drawn: Drawn) -> Tensor:
    """Float images (n, C, H, W) in [0, 1] after the operation of each, (n,); `image` stays as it was."""
    found = change_values(image, operations, drawn)
    moved = find_moved(operations, drawn, image)
    return found if moved is None else move_images(found, *moved)


def apply_to_batch(batch: TrainingBatch, operations: Sequence[Operation], drawn: Drawn) -> TrainingBatch:
    """A batch of float images in [0, 1] after the operation of each image; the targets of its pixels move along.

    Raises:
        UserError: a target of pixels has another size than the images, or cannot be unknown.
    """
    image = change_values(batch.image, operations, drawn)
    moved = find_moved(operations, drawn, image)
    if moved is None:
        return replace(batch, image=image)
    sets = [
        WeightedTargets(
            weight,
            {
                name: value
                if batch.kinds[name] == "whole"
                else move_target(_require_movable(name, value, image), *moved)
                for name, value in targets.items()
            },
        )
        for weight, targets in batch.targets
    ]
    return TrainingBatch(move_images(image, *moved), sets, batch.kinds)


def change_values(image: Tensor, operations: Sequence[Operation], drawn: Drawn) -> Tensor:
    """The images after their photometric operations."""
    found = image.clone()
    for place, operation in enumerate(operations):
        if isinstance(operation, Photometric):
            rows = (drawn.choice == place).nonzero()[:, 0]
            if len(rows):
                strength = drawn.strength[rows].to(image.device, image.dtype).view(-1, 1, 1, 1)
                rows = rows.to(image.device)
                found[rows] = operation.change(image[rows], strength)
    return found


def find_moved(operations: Sequence[Operation], drawn: Drawn, image: Tensor) -> tuple[Tensor, Warp] | None:
    """Indices (m,) of the images that are moved, and their warp, on the device of the images; `None` if none is."""
    height, width = image.shape[2:]
    rows, matrices = [], []
    for place, operation in enumerate(operations):
        if isinstance(operation, Geometric):
            rows.append((drawn.choice == place).nonzero()[:, 0])
            matrices.append(operation.make_matrix(drawn.strength[rows[-1]], height, width))
    if not sum(len(one) for one in rows):
        return None
    return torch.cat(rows).to(image.device), make_warp(torch.cat(matrices).to(image.device), height, width)


def move_images(image: Tensor, rows: Tensor, warp: Warp) -> Tensor:
    """Images (n, C, H, W) of which those of given indices are warped."""
    return image.index_copy(0, rows, warp_image(image[rows], warp))


def move_target(value: Tensor, rows: Tensor, warp: Warp) -> Tensor:
    """Targets (n, H, W) or (n, H, W, N) of which those of given indices are warped."""
    return value.index_copy(0, rows, warp_target(value[rows], warp))


def _require_movable(name: str, value: Tensor, image: Tensor) -> Tensor:
    if value.shape[1:3] != image.shape[2:]:
        raise UserError(
            f"the target {name!r} has {'x'.join(map(str, value.shape[1:3]))} pixels and its images "
            f"{'x'.join(map(str, image.shape[2:]))}, so that it cannot be moved with them: bring it to the size of the images, "
            "declare it 'whole', or train without RandAugment and TrivialAugment"
        )
    if not value.is_floating_point() and (value.dtype == torch.bool or torch.iinfo(value.dtype).max < IGNORED):
        raise UserError(
            f"the target {name!r} has the type {value.dtype}, which has no value for pixels that come from outside of a moved "
            f"image: hand it over as uint8 or int64 ({IGNORED} is unknown) or a float (NaN)"
        )
    return value
