"""A weighted sum of losses."""

from collections.abc import Sequence

from torch import Tensor, nn

from lightning_modules.settings import require_amount
from user_error import UserError


class WeightedSum(nn.Module):
    """Sum of losses, each with its weight.

    Args:
        terms: the losses.
        weights: a factor for each; all 1 if null.

    Raises:
        UserError: there is nothing to sum, there are not as many weights as terms, or one is negative.
    """

    def __init__(self, terms: list[nn.Module], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if not terms:
            raise UserError("a sum of losses has no terms: list one or more as `terms`")
        self.terms = nn.ModuleList(terms)
        self.weights = tuple(weights or (1.0,) * len(terms))
        if len(self.weights) != len(terms):
            raise UserError(f"a sum of {len(terms)} losses was given {len(self.weights)} weights: give one for each")
        for place, weight in enumerate(self.weights):
            require_amount(f"weight of term {place} in a sum of losses", weight)

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Logits (B, K, H, W) and mask (B, H, W) to a scalar."""
        values = [weight * term(logits, mask) for term, weight in zip(self.terms, self.weights, strict=True)]
        return sum(values[1:], start=values[0])
