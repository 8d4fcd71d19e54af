"""Weights of classes in losses of pixels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_modules.settings import require_amount
from user_error import UserError


def make_class_weights(class_weights: Sequence[float] | None) -> Tensor | None:
    """The weights as a tensor (K,), or `None` where all are 1.

    Raises:
        UserError: a weight is negative or no finite number.
    """
    if class_weights is None:
        return None
    for place, weight in enumerate(class_weights):
        require_amount(f"weight of class {place} in class_weights", weight)
    return torch.tensor(class_weights, dtype=torch.float32)


def require_one_for_each(weight: Tensor | None, num_classes: int) -> None:
    """Refuse weights of another number of classes.

    Raises:
        UserError: they do not fit.
    """
    if weight is not None and len(weight) != num_classes:
        raise UserError(f"{len(weight)} class_weights for {num_classes} classes: give one for each")
