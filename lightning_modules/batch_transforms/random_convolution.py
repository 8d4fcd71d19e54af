"""Random convolution: a kernel that is drawn anew at each step changes the texture and the colours of images."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.images import to_unit_range
from lightning_modules.settings import require_probability
from lightning_modules.training_batch import TrainingBatch
from user_error import UserError

LEAST_DEVIATION = 1 / 255
"""By which a channel is divided at least: one that is constant, such as a missing modality, has none."""


class RandomConvolution(BatchTransform):
    """RandConv (Xu et al., "Robust and Generalizable Visual Representation Learning via Random Convolutions", ICLR 2021).

    As in the authors' code there is one kernel for all images of a batch, drawn at each step: its size k uniformly, its
    weights from N(0, 1 / (k^2 C)), without a bias, on standardised images that are padded with zeros. With `mixed` the result
    is blended with the images at a ratio from U(0, 1) (their RC_mix); without, they keep every second batch as it is, which is
    a `probability` of 0.5 (their RC_img).

    Images are standardised by the mean and deviation of each channel in the batch, where the authors take those of the data
    set; and images leave in [0, 1], clamped, where the authors clamp only on demand. Their consistency loss over three such
    views is an objective of its own.

    Args:
        sizes: sides of kernels, odd numbers.
        mixed: whether the result is blended with the images.
        probability: probability with which a batch is convolved.

    Raises:
        UserError: no size, one that is not odd, or a probability out of range.
    """

    keeps_targets = True

    def __init__(self, sizes: Sequence[int] = (1, 3, 5, 7), mixed: bool = True, probability: float = 1.0) -> None:
        if not sizes or not all(size > 0 and size % 2 for size in sizes):
            raise UserError(
                f"sizes of RandomConvolution are {list(sizes)}: give odd numbers of pixels, such as [1, 3, 5, 7]"
            )
        require_probability("RandomConvolution", probability)
        self.sizes = tuple(sizes)
        self.mixed = mixed
        self.probability = probability

    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Convolved images as floats in [0, 1], and the targets as they are."""
        chosen, ratio = torch.rand(2, generator=generator).tolist()
        if chosen >= self.probability:
            return batch
        weight = self.draw_weight(batch.image.shape[1], generator)
        image = convolve(to_unit_range(batch.image), weight, ratio if self.mixed else 1.0)
        return replace(batch, image=image)

    def draw_weight(self, channels: int, generator: torch.Generator) -> Tensor:
        """Draw a kernel (C, C, k, k) of one of the sizes."""
        size = self.sizes[int(torch.randint(len(self.sizes), (), generator=generator))]
        return torch.randn(channels, channels, size, size, generator=generator) / (size * channels**0.5)


def convolve(image: Tensor, weight: Tensor, ratio: float) -> Tensor:
    """Blend images with their convolution, by one convolution with the blend of the kernel and an impulse.

    Args:
        image: (B, C, H, W), float in [0, 1].
        weight: (C, C, k, k), k odd, for images of zero mean and unit variance.
        ratio: weight of the convolution, from 0 to 1.

    Returns:
        (B, C, H, W) in [0, 1].
    """
    deviation, mean = torch.std_mean(image, (0, 2, 3), correction=0)
    scale = deviation[:, None] / deviation.clamp(min=LEAST_DEVIATION)  # (C, C), from one channel's range to another's
    kernel = ratio * scale[..., None, None] * weight.to(image)
    middle = weight.shape[-1] // 2
    kernel[:, :, middle, middle] += (1 - ratio) * torch.eye(len(weight), device=image.device)
    mean = mean[:, None, None]
    with torch.autocast(image.device.type, enabled=False):  # 16 bits are too few for the levels of an image
        return (F.conv2d(image - mean, kernel, padding=middle) + mean).clamp(0, 1)
