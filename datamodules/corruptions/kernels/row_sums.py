"""Weighted sums of rows, by which images are filtered along columns and interpolated."""

from torch import Tensor
from torch.nn import functional


def sum_rows(rows: Tensor, places: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of a few rows each.

    A sum stays in registers while its rows are read, whereas a loop of in-place additions reads and writes it every time.
    The terms of a sum are added in order, so that the result does not depend on other rows.

    Args:
        rows: float32 (N, D).
        places: int32 (M, T), indices of the rows of each sum.
        weights: float32 (M, T).

    Returns:
        float32 (M, D).
    """
    return functional.embedding_bag(places, rows, mode="sum", per_sample_weights=weights)
