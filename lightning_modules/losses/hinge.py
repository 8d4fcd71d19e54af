"""Hinge losses over the labelled pixels, which train a network for margins as a support vector machine."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_modules.labels import IGNORED
from lightning_modules.losses.class_weights import make_class_weights, require_one_for_each
from lightning_modules.settings import require_positive


class PixelHinge(nn.Module, ABC):
    """Base of the hinge losses: the mean over the labelled pixels, weighted by class as in `CrossEntropy`.

    Args:
        margin: margin of the logits from which on the loss of a pixel is 0.
        class_weights: a weight per class; all 1 if null.

    Raises:
        UserError: the margin is not positive, or a weight negative.
    """

    weight: Tensor | None

    def __init__(self, margin: float = 1.0, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        require_positive("margin of a hinge loss", margin, "such as 1")
        self.margin = margin
        self.register_buffer("weight", make_class_weights(class_weights))

    @abstractmethod
    def compute_pixel_losses(self, logits: Tensor, true: Tensor) -> Tensor:
        """Logits (B, K, H, W) and class ids (B, 1, H, W) to a loss per pixel (B, H, W)."""

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Logits (B, K, H, W) and mask (B, H, W) to a scalar; 0 instead of NaN where no pixel is labelled.

        Raises:
            UserError: there are not as many class weights as classes.
        """
        require_one_for_each(self.weight, logits.shape[1])
        counted = mask != IGNORED
        true = mask * counted
        losses = self.compute_pixel_losses(logits.float(), true[:, None])  # squares of 16-bit floats would overflow
        weights = counted.to(losses.dtype) if self.weight is None else self.weight[true] * counted
        return (losses.where(counted, 0) * weights).sum() / weights.sum().clamp(min=1e-6)


class CrammerSingerHinge(PixelHinge):
    """The multi-class hinge max(0, margin + max of the other logits - the true logit).

    Crammer and Singer, "On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines", JMLR 2001. One
    machine for all classes: only the strongest wrong class costs, and the logits mean something only side by side.
    ``torch.nn.MultiMarginLoss`` sums over all the wrong classes instead (Weston and Watkins, ESANN 1999).

    Args:
        margin: how far the true logit must lie above the others.
        class_weights: a weight per class; all 1 if null.
    """

    def compute_pixel_losses(self, logits: Tensor, true: Tensor) -> Tensor:
        """Logits (B, K, H, W) and class ids (B, 1, H, W) to a loss per pixel (B, H, W)."""
        strongest_other = logits.scatter(1, true, -torch.inf).amax(1)
        return (self.margin + strongest_other - logits.gather(1, true)[:, 0]).clamp(min=0)


class SquaredHinge(PixelHinge):
    """One machine against the rest for each class: the sum over classes of max(0, margin - t logit)^2, t = 1 or -1.

    The L2-SVM of Tang, "Deep Learning using Linear Support Vector Machines", ICML workshops 2013; also the loss of
    scikit-learn's ``LinearSVC``. It is differentiable, and far violations of the margin cost more than in proportion.

    Args:
        margin: how far a logit must lie from 0, on its class's side.
        class_weights: a weight per true class; all 1 if null.
    """

    def compute_pixel_losses(self, logits: Tensor, true: Tensor) -> Tensor:
        """Logits (B, K, H, W) and class ids (B, 1, H, W) to a loss per pixel (B, H, W)."""
        sides = torch.full_like(logits, -1).scatter_(1, true, 1)
        return (self.margin - sides * logits).clamp(min=0).square().sum(1)
