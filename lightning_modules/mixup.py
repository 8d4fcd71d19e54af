"""mixup: the network learns from blends of two images, against the masks of both."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Beta

from lightning_modules.images import unit_range
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


class MixupModule(SegmentationModule):
    """mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018), for each pixel of a mask.

    Each image is blended with one drawn from its batch, all at the same share, and the loss is the blend of the losses
    against both masks. For cross-entropy that is the loss against the blended one-hot masks; a loss that takes class
    ids alone, such as Dice, needs no other form. Pixels that one mask ignores count against the other mask alone.

    Args:
        alpha: the share of the first image is drawn from Beta(alpha, alpha) at each step: the larger, the more equal.
        **settings: of `SegmentationModule`.

    Raises:
        UserError: `alpha` is not positive.
    """

    def __init__(self, alpha: float = 0.2, **settings: Any) -> None:
        if not alpha > 0:
            raise UserError(f"alpha of mixup is {alpha}: give a number above 0, or take SegmentationModule for none")
        super().__init__(**settings)
        self.share = Beta(alpha, alpha)

    def compute_loss(self, batch: dict[str, Any]) -> Tensor:
        """The scalar that training minimises, for a batch of the contract."""
        image, mask = batch["image"], batch["mask"]
        share = self.share.sample().item()
        partner = torch.randperm(len(image)).to(image.device)
        x = unit_range(image)

        def blended(logits: Tensor) -> Tensor:
            return share * self.mask_loss(logits, mask) + (1 - share) * self.mask_loss(logits, mask[partner])

        return self.mean_loss(torch.lerp(x[partner], x, share), blended)
