"""SegPGD: projected gradient ascent for segmentation, whose weights shift from right to wrong pixels."""

import torch
from torch import Tensor

from lightning_modules.attacks.ball import Norm
from lightning_modules.attacks.pgd import Pgd, Start
from lightning_modules.attacks.pixel_losses import compute_cross_entropy, find_right


class SegPgd(Pgd):
    """PGD on a weighted cross-entropy: pixels that are still right weigh 1 - lambda, those that are wrong lambda.

    Gu et al., "SegPGD: An Effective and Efficient Adversarial Attack for Evaluating and Boosting Segmentation Robustness",
    ECCV 2022: lambda is (t - 1) / (2 T) at step t of T. At first only the pixels that are right count, and at the end both
    count nearly alike, so that wrong pixels stay wrong.

    Args:
        eps: radius of the ball, see `Attack`.
        steps: see `Pgd`; with one, pixels that are wrong do not count at all.
        step_size: see `Pgd`.
        norm: see `Pgd`.
        start: see `Pgd`.

    Raises:
        UserError: see `Pgd`.
    """

    def __init__(
        self,
        eps: float = 4 / 255,
        steps: int = 3,
        step_size: float | None = None,
        norm: Norm = "linf",
        start: Start = "uniform",
    ) -> None:
        super().__init__(eps, steps, step_size, norm, start)
        self.loss = "segpgd"

    def compute_pixel_losses(self, logits: Tensor, mask: Tensor, done: float) -> Tensor:
        """See `Attack`."""
        weight = done / 2
        weights = torch.where(find_right(logits, mask), 1 - weight, weight)
        return weights * compute_cross_entropy(logits, mask)
