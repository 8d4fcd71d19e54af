"""Uncertainty as pure functions of per-image counts."""

from collections.abc import Sequence

import numpy as np

from experiments.robustness import mean_iou, summarise

RESAMPLES = 1000
LEVEL = 0.95
CHUNK = 100  # resamples at a time: bounds the memory of many classes


def resampled_miou(images: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """MIoU of data sets drawn from the images with replacement (bootstrap; Efron, Ann. Statist. 1979).

    Args:
        images: (N, conditions, K, 3) counts of each image; resampling is of whole images, over all conditions at once.
        resamples: R.
        seed: of the draw.

    Returns:
        (R, conditions).
    """
    number = len(images)
    flat = images.reshape(number, -1).astype(np.float64)
    draws = np.random.Generator(np.random.PCG64(seed)).multinomial(number, np.full(number, 1 / number), size=resamples)
    parts = []
    for start in range(0, resamples, CHUNK):
        counts = draws[start : start + CHUNK].astype(np.float64) @ flat
        parts.append(mean_iou(counts.reshape(-1, *images.shape[1:])))
    return np.concatenate(parts)


def intervals(
    images: np.ndarray, conditions: Sequence[tuple[str, int]], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, list[float | None]]:
    """Percentile intervals at `LEVEL` of every number in `summarise`.

    Args:
        images: (N, conditions, K, 3) counts of each image.
        conditions: (corruption, severity) of each condition.
        resamples: bootstrap resamples.
        seed: of the draw.
    """
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    scores = summarise(resampled_miou(images, resamples, seed), conditions)
    return {
        name: [None, None] if np.isnan(values).all() else [float(edge) for edge in np.nanquantile(values, tails)]
        for name, values in scores.items()
    }
