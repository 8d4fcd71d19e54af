"""Weights from the learned homoscedastic uncertainty of each task."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_modules.weightings.base import Weighting


class UncertaintyWeights(Weighting):
    """Homoscedastic uncertainty (Kendall, Gal & Cipolla, CVPR 2018).

    The sum over tasks of loss / (c sigma^2) + log sigma, where c is 2 for a regression and 1 for a classification. The
    logarithm of each sigma^2 is a parameter, learned with the network and without weight decay; it starts at 0.
    """

    log_variances: nn.Parameter
    scale: Tensor

    def begin(self, names: Sequence[str], regression: Sequence[bool]) -> None:
        """See `Weighting`."""
        self.log_variances = nn.Parameter(torch.zeros(len(names)))
        self.register_buffer("scale", torch.tensor([0.5 if one else 1.0 for one in regression]))

    def forward(self, losses: Tensor, shared: nn.Parameter | None) -> Tensor:
        """Losses (T,) to a scalar."""
        return (self.scale * torch.exp(-self.log_variances) * losses + self.log_variances / 2).sum()

    @property
    def weights(self) -> Tensor:
        """(T,)."""
        return self.scale * torch.exp(-self.log_variances.detach())
