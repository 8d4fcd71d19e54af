import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from experiments.evaluation.scores import overlap
from lightning_modules.metrics.counts import SegmentationCounts, compute_confusion, count_classes, mean_iou

CLASSES = 4


def draw(seed: int, batch: int, ignored: float) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    predicted = random.integers(0, CLASSES, (batch, 5, 7))
    mask = random.integers(0, CLASSES, predicted.shape)
    mask[random.random(mask.shape) < ignored] = 255
    return torch.from_numpy(predicted), torch.from_numpy(mask)


@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([0.0, 0.3, 1.0]))
def test_confusion_is_scikit_learns(seed: int, batch: int, ignored: float) -> None:
    predicted, mask = draw(seed, batch, ignored)
    found = compute_confusion(predicted, mask, CLASSES)
    for image in range(batch):
        counts = mask[image] != 255
        wanted = np.zeros((CLASSES, CLASSES), int)
        if counts.any():
            wanted = confusion_matrix(mask[image][counts], predicted[image][counts], labels=range(CLASSES))
        np.testing.assert_array_equal(found[image], wanted)


@given(st.integers(0, 10**6))
def test_scores_are_those_of_the_record(seed: int) -> None:
    """Training and record score by the same rule."""
    predicted, mask = draw(seed, 3, 0.5)
    mask[mask == 2] = 255
    confusion = compute_confusion(predicted, mask, CLASSES)
    np.testing.assert_array_equal(count_classes(confusion), overlap.compute_class_counts(confusion.numpy()))
    wanted = overlap.mean_iou(overlap.compute_class_counts(confusion.numpy()))
    np.testing.assert_allclose(mean_iou(confusion), wanted, rtol=1e-12)


def test_counts_add_up_in_any_order() -> None:
    batches = [compute_confusion(*draw(seed, 3, 0.2), CLASSES) for seed in range(4)]
    forward, backward = SegmentationCounts(CLASSES, 2), SegmentationCounts(CLASSES, 2)
    for batch in batches:
        forward.update(batch, 1)
    for batch in reversed(batches):
        backward.update(batch, 1)
    assert torch.equal(forward.compute(), backward.compute())
    assert torch.equal(forward.compute()[1], torch.cat(batches).sum(0))
    assert not forward.compute()[0].any()


def test_large_counts_stay_exact() -> None:
    counts = SegmentationCounts(2)
    big = torch.full((1, 2, 2), 2**40 + 1)
    for _ in range(3):
        counts.update(big)
    assert counts.compute()[0, 0, 0] == 3 * (2**40 + 1)
