"""Scores as pure functions of confusion matrices and counts: numpy in, numbers out."""

from collections.abc import Mapping, Sequence

import numpy as np

CLEAN = "clean"


def class_counts(confusion: np.ndarray) -> np.ndarray:
    """Intersection, predicted and true pixels of each class: (..., K, K), rows true, to (..., K, 3)."""
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    return np.stack([hit, confusion.sum(-2), confusion.sum(-1)], axis=-1)


def class_iou(counts: np.ndarray) -> np.ndarray:
    """IoU of each class from its counts (..., K, 3); NaN for a class that occurs in neither mask nor prediction."""
    hit, predicted, true = np.moveaxis(np.asarray(counts, dtype=np.float64), -1, 0)
    union = predicted + true - hit
    return np.divide(hit, union, out=np.full_like(hit, np.nan), where=union > 0)


def mean_iou(counts: np.ndarray) -> np.ndarray:
    """MIoU (...): the mean of `class_iou` over the classes that occur; NaN if none does.

    An entirely missed class scores 0; an absent class that is predicted somewhere scores 0 too.
    """
    iou = class_iou(counts)
    occurs = ~np.isnan(iou)
    number = occurs.sum(-1)
    total = np.where(occurs, iou, 0.0).sum(-1)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def mean_corrupted(miou: np.ndarray, conditions: Sequence[tuple[str, int]]) -> np.ndarray:
    """Mean over corruptions of the mean over their severities.

    Args:
        miou: (..., conditions).
        conditions: (corruption, severity) of each; those of severity 0, clean and real shifts, are left out.

    Returns:
        (...); NaN if there is no corruption.
    """
    groups = by_corruption(conditions)
    if not groups:
        return np.full(miou.shape[:-1], np.nan)
    return np.mean([miou[..., columns].mean(-1) for columns in groups.values()], axis=0)


def by_corruption(conditions: Sequence[tuple[str, int]]) -> dict[str, list[int]]:
    """Positions of each corruption's severities, in the order of first appearance; severity 0 is no corruption."""
    groups: dict[str, list[int]] = {}
    for position, (corruption, severity) in enumerate(conditions):
        if severity:
            groups.setdefault(corruption, []).append(position)
    return groups


def summarise(miou: np.ndarray, conditions: Sequence[tuple[str, int]]) -> dict[str, np.ndarray]:
    """The numbers of a leaderboard row.

    Args:
        miou: (..., conditions).
        conditions: (corruption, severity) of each.

    Returns:
        ``clean_miou``, ``mean_corrupted_miou`` and ``retention`` (corrupted over clean), each (...).
    """
    clean = miou[..., list(conditions).index((CLEAN, 0))]
    corrupted = mean_corrupted(miou, conditions)
    retention = np.divide(corrupted, clean, out=np.full_like(corrupted, np.nan), where=clean > 0)
    return {"clean_miou": clean, "mean_corrupted_miou": corrupted, "retention": retention}


def corruption_means(miou: np.ndarray, conditions: Sequence[tuple[str, int]]) -> Mapping[str, float]:
    """Mean over severities of each corruption, (conditions,) to a number each."""
    return {name: float(miou[columns].mean()) for name, columns in by_corruption(conditions).items()}


def shift_scores(miou: np.ndarray, conditions: Sequence[tuple[str, int]]) -> Mapping[str, float]:
    """Score of each real shift, (conditions,) to a number each: what has severity 0 and is not `CLEAN`."""
    return {
        name: float(score)
        for (name, severity), score in zip(conditions, miou, strict=True)
        if not severity and name != CLEAN
    }
