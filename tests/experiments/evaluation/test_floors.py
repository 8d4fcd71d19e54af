"""Answers that do not look at the images, held against confusions of such answers."""

from pathlib import Path

import numpy as np
import pytest
from records import make_record
from sklearn.metrics import confusion_matrix, jaccard_score

from experiments.evaluation.compared_metrics import COMPARED
from experiments.evaluation.floors import answer_by_frequency, answer_constantly, find_floor
from experiments.evaluation.images import Images
from experiments.evaluation.scores.overlap import compute_class_counts, mean_iou
from experiments.record_files.record_file import read_swept


@pytest.fixture
def masks() -> np.ndarray:
    return np.random.default_rng(0).choice(3, (5, 400), p=[0.8, 0.15, 0.05])


def as_images(masks: np.ndarray) -> Images:
    confusions = [confusion_matrix(one, one, labels=[0, 1, 2]) for one in masks]
    counts = np.stack([compute_class_counts(one) for one in confusions])[:, None]
    return Images([str(k) for k in range(len(masks))], {"classes": counts})


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_constant_answer_scores_what_scikit_learn_says(masks: np.ndarray, place: int) -> None:
    counts = answer_constantly(as_images(masks), place).counts["classes"].sum(0)
    constant = np.full(masks.size, place)
    assert mean_iou(counts)[0] == pytest.approx(
        jaccard_score(masks.ravel(), constant, labels=[0, 1, 2], average="macro")
    )


def test_guessing_by_frequency_scores_what_random_answers_do_on_average(masks: np.ndarray) -> None:
    rng, prior = np.random.default_rng(1), np.bincount(masks.ravel(), minlength=3) / masks.size
    counts = answer_by_frequency(as_images(masks), prior).counts["classes"].sum(0)
    true = np.repeat(masks.ravel(), 200)
    drawn = rng.choice(3, true.size, p=prior)
    assert mean_iou(counts)[0] == pytest.approx(jaccard_score(true, drawn, average="macro"), abs=0.003)
    assert mean_iou(counts)[0] == pytest.approx(np.mean(prior / (2 - prior)), abs=1e-6)


def test_the_floor_is_the_best_of_them(tmp_path: Path) -> None:
    record, images = read_swept(make_record(tmp_path / "record.json"))
    floor = find_floor(record, images, COMPARED["miou"].ratio)
    assert floor is not None
    true = images.counts["classes"][..., 2].sum(0)[record.conditions.index(("clean", 0))]
    share = true / true.sum()
    constant, prior = share.max() / np.count_nonzero(true), (share / (2 - share))[true > 0].mean()
    assert floor.score == pytest.approx(max(constant, prior), abs=1e-6)
    assert floor.answer in [*(f"all {name}" for name in record.classes), "guessing by frequency"]
