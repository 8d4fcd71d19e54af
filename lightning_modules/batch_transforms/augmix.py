"""AugMix: a blend of each image with copies of it after chains of operations; without the consistency loss."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.operations.augmix_operations import AugMixOperations
from lightning_modules.batch_transforms.operations.drawn import apply_to_images
from lightning_modules.batch_transforms.operations.spaces import MOST_OPERATIONS
from lightning_modules.images import to_unit_range
from lightning_modules.settings import require_count, require_positive
from lightning_modules.training_batch import TrainingBatch


class AugMix(BatchTransform):
    """The images of AugMix, without its Jensen-Shannon consistency of views, which is the work of an objective.

    Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty", ICLR 2020.

    As in the paper, no operation changes brightness, contrast, colour or sharpness by a drawn factor, since ImageNet-C does.
    The paper classifies whole images, and its chains also rotate, shear and translate. A segmentation has one mask for the
    whole blend, and a moved copy shows classes where the mask has others. So the chains are photometric unless
    `geometric_severity` is set: a small one, of displacements of a few pixels, doubles outlines; that of the paper, 3, trains
    on wrong labels around every object.

    Args:
        width: number of chains, at most 100.
        depth: largest number of operations in a chain, which is drawn from 1 to this, at most 100.
        severity: of photometric operations, above 0, at most 10.
        alpha: of the Dirichlet distribution of the chains' weights, and of the Beta distribution of the blend's weight.
        geometric_severity: of geometric operations in the chains, at most 10; 0 leaves them out. At 0.3 a rotation has at most
            0.9 degrees, a translation a hundredth of the image.

    Raises:
        UserError: a setting is out of range.
    """

    keeps_targets = True

    def __init__(
        self,
        width: int = 3,
        depth: int = 3,
        severity: float = 3.0,
        alpha: float = 1.0,
        geometric_severity: float = 0.0,
    ) -> None:
        require_count("width of AugMix", width, MOST_OPERATIONS, "such as 3")
        require_count("depth of AugMix", depth, MOST_OPERATIONS, "such as 3")
        require_positive("alpha of AugMix", alpha, "such as 1")
        self.width = width
        self.depth = depth
        self.alpha = alpha
        self.family = AugMixOperations("AugMix", severity, geometric_severity)

    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Blended images as floats in [0, 1], with the targets of the images."""
        image = to_unit_range(batch.image)
        number = len(image)
        length = torch.randint(1, self.depth + 1, (number * self.width,), generator=generator)
        drawn = self.family.draw((self.depth, number * self.width), generator)
        drawn = drawn.leave_out(torch.arange(self.depth)[:, None] >= length)
        weights, share = (one.to(image.device, image.dtype) for one in self.draw_weights(number, generator))
        chains = image.repeat_interleave(self.width, 0)
        for step in drawn.split():
            chains = apply_to_images(chains, self.family.operations, step)
        mix = (chains.unflatten(0, (number, self.width)) * weights[..., None, None, None]).sum(1)
        return replace(batch, image=torch.lerp(image, mix, share[:, None, None, None]).clamp_(0, 1))

    def draw_weights(self, number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw the weights of the chains, (number, width), and that of their mix beside the image, (number,).

        By NumPy, since PyTorch's Dirichlet and Beta distributions take no generator.
        """
        draw = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        weights = draw.dirichlet([self.alpha] * self.width, number)
        return torch.from_numpy(weights), torch.from_numpy(draw.beta(self.alpha, self.alpha, number))
