"""A weighted sum of losses."""

from collections.abc import Sequence

from torch import Tensor, nn

from user_error import UserError


class WeightedSum(nn.Module):
    """Sum of losses, each with its weight.

    Args:
        terms: the losses.
        weights: a factor for each; all 1 if null.

    Raises:
        UserError: as many weights as terms are needed.
    """

    def __init__(self, terms: list[nn.Module], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.terms = nn.ModuleList(terms)
        self.weights = tuple(weights or (1.0,) * len(terms))
        if len(self.weights) != len(terms):
            raise UserError(f"a sum of {len(terms)} losses was given {len(self.weights)} weights: give one for each")

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Logits (B, K, H, W) and mask (B, H, W) to a scalar."""
        values = [weight * term(logits, mask) for term, weight in zip(self.terms, self.weights, strict=True)]
        return sum(values[1:], start=values[0])
