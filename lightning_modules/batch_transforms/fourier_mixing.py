"""Fourier mixing: the low frequencies of each image get the amplitudes of another image of the batch."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.partners import draw_partners
from lightning_modules.images import to_unit_range
from lightning_modules.training_batch import TrainingBatch
from user_error import UserError


class FourierMixing(BatchTransform):
    """The swap of amplitudes of FDA (Yang & Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020).

    Each image keeps its phases, and takes the amplitudes of another image of its batch in a square window around frequency
    0, so that it looks as if taken under that one's light. FDA takes them from images of the domain that it adapts to; here
    they come from the training images, so that nothing is adapted. A batch of one image is returned unchanged.

    Args:
        beta: range (low, high) of half the side of the window, in shares of the shorter side of the image; one number is
            drawn for each image. At 0 nothing changes; FDA trains at 0.01, 0.05 and 0.09.

    Raises:
        UserError: the range is none, or out of range.
    """

    keeps_targets = True
    mixes_images = True

    def __init__(self, beta: Sequence[float] = (0.01, 0.09)) -> None:
        if len(beta) != 2 or not 0 <= beta[0] <= beta[1] <= 1:
            raise UserError(
                f"beta of FourierMixing is {list(beta)}: give [low, high], shares of the shorter side of the image from 0 to 1"
            )
        self.beta = tuple(beta)

    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Images with swapped amplitudes as floats in [0, 1], and the targets as they are."""
        number, _, height, width = batch.image.shape
        if number == 1:
            return batch
        low, high = self.beta
        beta = low + (high - low) * torch.rand(number, generator=generator)
        partners = draw_partners(number, generator)
        image = swap_amplitudes(to_unit_range(batch.image), partners, beta * min(height, width))
        return replace(batch, image=image)


def swap_amplitudes(image: Tensor, partners: Tensor, radius: Tensor) -> Tensor:
    """Give images the amplitudes of their partners at frequencies below a radius in both directions.

    What changes is computed at these frequencies alone and added, so that without any of them an image stays exactly itself.

    Args:
        image: (B, C, H, W), float in [0, 1].
        partners: index of another image for each, (B,).
        radius: in cycles per image for each, (B,), on the CPU.

    Returns:
        (B, C, H, W) in [0, 1].
    """
    height, width = image.shape[-2:]
    down = torch.arange(height)
    down = torch.minimum(down, height - down)  # absolute frequencies, in the order of the transform
    along = torch.arange(width // 2 + 1)  # the others are conjugates
    rows, columns = (down < radius.max()).nonzero().flatten(), int((along < radius.max()).sum())
    inside = (down[rows] < radius[:, None])[:, None, :, None] & (along[:columns] < radius[:, None])[:, None, None]
    rows, partners, inside = rows.to(image.device), partners.to(image.device), inside.to(image.device)
    spectrum = torch.fft.rfft2(image)
    low = spectrum[..., rows, :columns]
    swapped = torch.polar(low.abs()[partners], low.angle())
    change = torch.zeros_like(spectrum)
    change[..., rows, :columns] = torch.where(inside, swapped - low, 0)
    return (image + torch.fft.irfft2(change, s=(height, width))).clamp(0, 1)
