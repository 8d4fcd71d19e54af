"""Weighted sums of rows, the one operation that filters along columns and interpolations of an image come down to."""

from torch import Tensor
from torch.nn import functional


def sum_rows(rows: Tensor, places: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of a few rows each.

    A sum stays in registers while its rows are read, where a loop of in-place additions reads and writes it every time.
    Every sum runs over its terms in their order, so it depends on nothing but its rows.

    Args:
        rows: float32 (N, D).
        places: int32 (M, T), which rows each sum is of.
        weights: float32 (M, T).

    Returns:
        float32 (M, D).
    """
    return functional.embedding_bag(places, rows, mode="sum", per_sample_weights=weights)
