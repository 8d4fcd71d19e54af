"""Cross-entropy over the labelled pixels."""

from collections.abc import Sequence

from torch import Tensor, nn

from lightning_modules.labels import IGNORED
from lightning_modules.losses.class_weights import make_class_weights, require_one_for_each
from user_error import UserError


class CrossEntropy(nn.CrossEntropyLoss):
    """PyTorch's cross-entropy with settings that a YAML can hold.

    Args:
        label_smoothing: probability mass that is distributed evenly over all classes (Szegedy et al., CVPR 2016).
        class_weights: a weight per class; all 1 if null.

    Raises:
        UserError: the share is not from 0 to below 1, or a weight is negative.
    """

    def __init__(self, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None) -> None:
        if not 0 <= label_smoothing < 1:
            raise UserError(f"label_smoothing is {label_smoothing}: give a share from 0 to below 1, such as 0.1")
        weight = make_class_weights(class_weights)
        super().__init__(weight=weight, label_smoothing=label_smoothing, ignore_index=IGNORED, reduction="sum")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Mean over the labelled pixels; 0 instead of NaN where there are none."""
        require_one_for_each(self.weight, input.shape[1])
        counted = target != IGNORED
        total = (counted if self.weight is None else self.weight[target * counted] * counted).sum()
        return super().forward(input, target) / total.clamp(min=1e-6)
