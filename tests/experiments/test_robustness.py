import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import confusion_matrix, jaccard_score

from experiments.robustness import (
    class_counts,
    class_iou,
    corruption_means,
    mean_corrupted,
    mean_iou,
    shift_scores,
    summarise,
)

CONDITIONS = [("clean", 0), ("noise", 1), ("noise", 3), ("blur", 2)]


@given(arrays(np.int64, 60, elements=st.integers(0, 3)), arrays(np.int64, 60, elements=st.integers(0, 3)))
def test_miou_is_scikit_learns(true: np.ndarray, predicted: np.ndarray) -> None:
    confusion = confusion_matrix(true, predicted, labels=range(5))
    present = sorted(set(true) | set(predicted))
    wanted = jaccard_score(true, predicted, labels=present, average=None)
    counts = class_counts(confusion)
    np.testing.assert_allclose(class_iou(counts)[present], wanted)
    assert np.isnan(class_iou(counts)[[k for k in range(5) if k not in present]]).all()
    assert mean_iou(counts) == pytest.approx(wanted.mean())


def test_a_missed_class_scores_zero_and_an_absent_one_leaves_the_mean() -> None:
    confusion = np.array([[8, 0, 0], [2, 0, 0], [0, 0, 0]])  # class 1 missed, class 2 absent
    assert mean_iou(class_counts(confusion)) == pytest.approx((0.8 + 0) / 2)


def test_nothing_counted_has_no_score() -> None:
    assert np.isnan(mean_iou(np.zeros((4, 3, 3))))[()].all()


def test_summary_by_hand() -> None:
    miou = np.array([0.8, 0.6, 0.2, 0.3])
    result = summarise(miou, CONDITIONS)
    assert result["clean_miou"] == pytest.approx(0.8)
    assert result["mean_corrupted_miou"] == pytest.approx((0.4 + 0.3) / 2)  # corruptions weigh the same
    assert result["retention"] == pytest.approx(0.35 / 0.8)
    assert corruption_means(miou, CONDITIONS) == pytest.approx({"noise": 0.4, "blur": 0.3})


def test_summary_without_corruptions() -> None:
    result = summarise(np.array([0.8]), [("clean", 0)])
    assert np.isnan(result["mean_corrupted_miou"])
    assert np.isnan(result["retention"])


def test_summary_of_a_network_that_finds_nothing() -> None:
    assert np.isnan(summarise(np.zeros(4), CONDITIONS)["retention"])


def test_resamples_in_front() -> None:
    miou = np.random.default_rng(0).random((7, 4))
    several = mean_corrupted(miou, CONDITIONS)
    np.testing.assert_allclose(several, [mean_corrupted(row, CONDITIONS) for row in miou])


def test_real_shifts_stand_beside_the_corruptions() -> None:
    conditions = [("clean", 0), ("light=dusk", 0), *CONDITIONS[1:]]
    miou = np.array([0.8, 0.1, 0.6, 0.2, 0.3])
    assert shift_scores(miou, conditions) == {"light=dusk": 0.1}
    assert summarise(miou, conditions) == summarise(np.delete(miou, 1), CONDITIONS)
    assert shift_scores(miou[[0, 2, 3, 4]], CONDITIONS) == {}
