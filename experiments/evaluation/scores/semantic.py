"""The semantic part of the BRAVO index: one number for how well a network segments and knows when it is wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.evaluation.scores.base import Counts, Score, as_number
from experiments.evaluation.scores.overlap import SCORES as OVERLAP
from experiments.evaluation.scores.probabilities import SCORES as PROBABILITIES

PARTS: dict[str, Any] = {
    name: (OVERLAP | PROBABILITIES)[name] for name in ("miou", "ece", "auroc", "fpr95", "aupr_success", "aupr_error")
}
"""The scores that it is the harmonic mean of; of those that are better when they are lower, 1 less the score."""


def harmonic_mean(values: np.ndarray) -> np.ndarray:
    """Harmonic mean (...) over the last axis of numbers in [0, 1]: 0 where one of them is, NaN where one does not exist."""
    inverses = np.divide(1, values, out=np.full(np.shape(values), np.inf), where=np.asarray(values) != 0)
    return values.shape[-1] / inverses.sum(-1)


def semantic_mean(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """The harmonic mean (...) of mIoU, 1 - ECE, AUROC, 1 - FPR at 95 % TPR, AUPR-Success and AUPR-Error, each (...).

    ``semantic_hmean`` of the BRAVO challenge (Vu et al., "The BRAVO Semantic Segmentation Challenge Results in UNCV2024",
    arXiv:2409.15107) of one of its subsets.
    """
    kinds = PARTS.items()
    return harmonic_mean(np.stack([1 - parts[name] if one.lower_is_better else parts[name] for name, one in kinds], -1))


@dataclass(frozen=True)
class SemanticMean(Score):
    """`semantic_mean` of the scores of one condition."""

    def follows_from(self, counts: Iterable[str]) -> bool:
        """See `Score`."""
        names = {*counts}
        return all(one.follows_from(names) for one in PARTS.values())

    def score_sums(self, counts: Counts) -> float | None:
        """One number."""
        parts = {name: one.score_sums(counts) for name, one in PARTS.items()}
        return as_number(semantic_mean({name: np.array(value, np.float64) for name, value in parts.items()}))


SCORES = {"bravo_semantic": SemanticMean(())}
