"""mixup: training with blends of two images, against the targets of both."""

import numpy as np
import torch

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.images import to_unit_range
from lightning_modules.settings import require_positive
from lightning_modules.training_batch import TrainingBatch, WeightedTargets, select


class Mixup(BatchTransform):
    """mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018), for each pixel of a mask.

    Each image is blended with one drawn from its batch, all with the same ratio, and the loss is the blend of the losses
    against the targets of both. For cross-entropy that equals the loss against the blended one-hot masks; a loss that takes
    only class ids, such as Dice, needs no change. Pixels that one mask ignores enter only the loss against the other mask.

    Args:
        alpha: the weight of the first image is drawn from Beta(alpha, alpha) at each step; larger values blend more evenly.

    Raises:
        UserError: `alpha` is not positive.
    """

    mixes_images = True

    def __init__(self, alpha: float = 0.2) -> None:
        require_positive("alpha of mixup", alpha, "such as 0.2")
        self.alpha = alpha

    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Blended images as floats in [0, 1]; each set of targets becomes two, of the image and of its partner."""
        ratio = self.draw_ratio(generator)
        partners = torch.randperm(len(batch.image), generator=generator).to(batch.image.device)
        image = to_unit_range(batch.image)
        blended = torch.lerp(image[partners], image, ratio)
        sets = []
        for weight, targets in batch.targets:
            partner_targets = {name: select(value, partners) for name, value in targets.items()}
            sets += [WeightedTargets(ratio * weight, targets), WeightedTargets((1 - ratio) * weight, partner_targets)]
        return TrainingBatch(blended, sets, batch.kinds)

    def draw_ratio(self, generator: torch.Generator) -> float:
        """Draw the weight of the first image, by NumPy, since PyTorch's Beta distribution takes no generator."""
        seed = int(torch.randint(2**62, (1,), generator=generator))
        return float(np.random.default_rng(seed).beta(self.alpha, self.alpha))
