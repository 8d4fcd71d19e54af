"""Cross-entropy over the labelled pixels."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_modules.labels import IGNORED
from user_error import UserError


class CrossEntropy(nn.CrossEntropyLoss):
    """PyTorch's cross-entropy with settings that a YAML can hold.

    Args:
        label_smoothing: probability mass that is distributed evenly over all classes (Szegedy et al., CVPR 2016).
        class_weights: a weight per class; all 1 if null.
    """

    def __init__(self, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None) -> None:
        weight = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        super().__init__(weight=weight, label_smoothing=label_smoothing, ignore_index=IGNORED, reduction="sum")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Mean over the labelled pixels; 0 instead of NaN where there are none."""
        if self.weight is not None and len(self.weight) != input.shape[1]:
            raise UserError(f"{len(self.weight)} class_weights for {input.shape[1]} classes: give one for each")
        counted = target != IGNORED
        total = (counted if self.weight is None else self.weight[target * counted] * counted).sum()
        return super().forward(input, target) / total.clamp(min=1e-6)
