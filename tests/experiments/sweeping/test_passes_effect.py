"""The effect of faster passes, against predictions by hand."""

import numpy as np

from experiments.evaluation.scores.overlap import mean_iou
from experiments.sweeping.passes_effect import compare_counts


def count(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Hits, predicted and true pixels (3, 3) of each class."""
    classes = np.arange(3)[:, None]
    return np.stack(
        [((predicted == classes) & (true == classes)).sum(1), (predicted == classes).sum(1), (true == classes).sum(1)],
        1,
    )


def test_changed_pixels_and_scores_are_those_of_the_predictions() -> None:
    rng = np.random.default_rng(0)
    true, exact = rng.integers(0, 3, (2, 4, 2, 50))  # four images, two conditions
    other = exact.copy()
    other[0, 1, :5] = (other[0, 1, :5] + 1) % 3
    found, wanted = (
        np.array([[count(one[i, c], true[i, c]) for c in range(2)] for i in range(4)]) for one in (other, exact)
    )
    effect = compare_counts(found, wanted)
    assert (effect.images, effect.conditions, effect.pixels) == (4, 2, 400)
    assert 1 <= effect.changed <= 5
    change = [mean_iou(found[:, c].sum(0)) - mean_iou(wanted[:, c].sum(0)) for c in range(2)]
    assert change[0] == 0
    assert effect.largest == change[1]
    assert effect.miou == np.mean(change)


def test_equal_counts_change_nothing() -> None:
    counts = np.ones((2, 3, 4, 3), np.int64)
    assert compare_counts(counts, counts).as_json() == {
        "images": 2,
        "conditions": 3,
        "pixels": 24,
        "changed": 0,
        "miou": 0.0,
        "largest": 0.0,
    }
