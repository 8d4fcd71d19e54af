"""PixMix: images are mixed, in several rounds, with pictures of fractals or with changed copies of themselves."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.fractals import find_fractals
from lightning_modules.batch_transforms.operations.augmix_operations import AugMixOperations
from lightning_modules.batch_transforms.operations.drawn import Drawn, apply_to_images
from lightning_modules.batch_transforms.operations.spaces import MOST_OPERATIONS
from lightning_modules.images import to_unit_range
from lightning_modules.settings import require_count, require_positive
from lightning_modules.training_batch import TrainingBatch

MOST_PICTURES = 10_000
"""Of which 2 GB are held."""
SMALLEST_CROP = 0.5
"""Share of a picture's side that is shown at least."""
SMALLEST_VALUE = 1e-37
"""In place of 0, which has no negative power."""


class Rounds(NamedTuple):
    """What is drawn for R rounds of B images, (R, B) each, on the CPU.

    Args:
        active: whether the image is mixed once more.
        copied: whether it is mixed with a changed copy of itself, rather than with its picture.
        multiplied: whether the mix is a product, rather than a sum.
        own: factor or exponent of the image so far.
        other: factor or exponent of what is mixed in.
    """

    active: Tensor
    copied: Tensor
    multiplied: Tensor
    own: Tensor
    other: Tensor


class PixMix(BatchTransform):
    """PixMix (Hendrycks et al., "PixMix: Dreamlike Pictures Comprehensively Improve Safety Measures", CVPR 2022).

    With even chance an image begins as a changed copy of itself. In each of 0 to `rounds` rounds, it is mixed by a weighted sum
    or a weighted product with its picture, or with another changed copy. The pictures are fractals that this project draws, at
    the first step of a training; each image gets a random square of one. The targets stay.

    A copy is changed by one operation of AugMix, without those of brightness, contrast, colour and sharpness, as the paper has
    it for a comparison on ImageNet-C, and without geometric ones unless `geometric_severity` is set, for the reason that `AugMix`
    states. The paper's beta and severity are 3 for CIFAR; for ImageNet 4 and 1.

    Args:
        rounds: largest number of rounds, at most 100.
        beta: the larger, the more of the image is kept; weights come from Beta(beta, 1) and Beta(1, beta).
        severity: of photometric operations, above 0, at most 10.
        geometric_severity: of geometric operations, at most 10; 0 leaves them out.
        pictures: number of fractals, of 256 x 256 pixels, 0.2 MB of memory each; at most 10,000.
        picture_seed: seed of the fractals, which do not depend on the seed of the training.

    Raises:
        UserError: a setting is out of range.
    """

    keeps_targets = True

    def __init__(
        self,
        rounds: int = 4,
        beta: float = 3.0,
        severity: float = 3.0,
        geometric_severity: float = 0.0,
        pictures: int = 48,
        picture_seed: int = 0,
    ) -> None:
        require_count("largest number of rounds of PixMix", rounds, MOST_OPERATIONS, "such as 4")
        require_positive("beta of PixMix", beta, "such as 3")
        require_count("number of pictures of PixMix", pictures, MOST_PICTURES, "such as 48")
        self.rounds = rounds
        self.beta = beta
        self.pictures = pictures
        self.picture_seed = picture_seed
        self.family = AugMixOperations("PixMix", severity, geometric_severity)

    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Mixed images as floats in [0, 1], with the targets of the images."""
        image = to_unit_range(batch.image)
        number = len(image)
        first, *changes = self.family.draw((1 + self.rounds, number), generator).split()
        plain = torch.rand(number, generator=generator) < 0.5
        drawn = self.draw_rounds(number, generator)
        sources = torch.cat((image, self.draw_pictures(image, generator)))
        mixed = apply_to_images(image, self.family.operations, first.leave_out(plain))
        for change, *values in zip(changes, *drawn, strict=True):
            mixed = self._mix_once(mixed, sources, change, Rounds(*values))
        return replace(batch, image=mixed)

    def _mix_once(self, mixed: Tensor, sources: Tensor, change: Drawn, drawn: Rounds) -> Tensor:
        """One round of images (B, C, H, W), from sources (2 B, C, H, W), the images and their pictures; `drawn` is (B,)."""
        chosen = torch.arange(len(mixed)) + len(mixed) * ~drawn.copied
        found = mixed.clone()
        for multiplied, mix in ((False, add), (True, multiply)):
            rows = (drawn.active & (drawn.multiplied == multiplied)).nonzero()[:, 0]
            if len(rows):
                change_of_rows = Drawn(change.choice[rows], change.strength[rows]).leave_out(~drawn.copied[rows])
                other = apply_to_images(sources[chosen[rows].to(mixed.device)], self.family.operations, change_of_rows)
                own_weight, other_weight = (
                    weight[rows].view(-1, 1, 1, 1).to(mixed.device, mixed.dtype) for weight in (drawn.own, drawn.other)
                )
                rows = rows.to(mixed.device)
                found[rows] = mix(mixed[rows], other, own_weight, other_weight).clamp_(0, 1)
        return found

    def draw_rounds(self, number: int, generator: torch.Generator) -> Rounds:
        """Draw the rounds of a number of images."""
        shape = (self.rounds, number)
        active = torch.arange(self.rounds)[:, None] < torch.randint(self.rounds + 1, (number,), generator=generator)
        copied, multiplied, blended = torch.rand(3, *shape, generator=generator) < 0.5
        large, small = torch.rand(2, *shape, generator=generator) ** (1 / self.beta)  # of Beta(beta, 1)
        own = torch.where(blended, large, 2 - large)
        other = torch.where(blended, 1 - small, small - 1)
        return Rounds(active, copied, multiplied, own, other)

    def draw_pictures(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """A random square of a random picture for each image, mirrored by chance, of the shape and type of `image`."""
        number, channels, height, width = image.shape
        chosen = torch.randint(self.pictures, (number,), generator=generator)
        side, x, y = torch.rand(3, number, 1, 1, generator=generator).to(image.device)
        mirrored = torch.randint(2, (number, 1, 1), generator=generator).to(image.device)
        side = SMALLEST_CROP + (1 - SMALLEST_CROP) * side
        across = (torch.arange(width, device=image.device) + 0.5) * (2 / width) - 1
        down = (torch.arange(height, device=image.device)[:, None] + 0.5) * (2 / height) - 1
        grid = torch.stack(
            torch.broadcast_tensors(
                (1 - 2 * mirrored) * (side * across + (1 - side) * (2 * x - 1)), side * down + (1 - side) * (2 * y - 1)
            ),
            -1,
        )
        pictures = find_fractals(self.pictures, self.picture_seed, image.device)[chosen.to(image.device)]
        pictures = to_unit_range(pictures) if channels == 3 else to_unit_range(pictures).mean(1, keepdim=True)
        shown = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
        return shown.expand(-1, channels, -1, -1).to(image.dtype)


def add(image: Tensor, other: Tensor, own_weight: Tensor, other_weight: Tensor) -> Tensor:
    """The weighted sum of two images in [-1, 1] instead of [0, 1]; it may leave its range."""
    return ((2 * image - 1) * own_weight + (2 * other - 1) * other_weight + 1) / 2


def multiply(image: Tensor, other: Tensor, own_exponent: Tensor, other_exponent: Tensor) -> Tensor:
    """The weighted product, a geometric mean for exponents of 1/2, of two images in [0, 2]; it may leave its range."""
    return (2 * image) ** own_exponent * (2 * other).clamp(min=SMALLEST_VALUE) ** other_exponent / 2
