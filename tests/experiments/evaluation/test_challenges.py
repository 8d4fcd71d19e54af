"""BRAVO's metrics and index, and ACDC's, against a few independent lines over the pixels of small made-up data."""

import numpy as np
import pytest
import torch
from challenge_pixels import CLASSES, NAMES, PER_SUBSET, Pixels
from scipy.stats import hmean
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score, roc_curve

from experiments.evaluation.challenges import WITH_OUTLIERS, WITHOUT_CLASSES, report_acdc, report_bravo
from experiments.evaluation.scores.outliers import SCORES
from lightning_modules.labels import OUTLIER
from lightning_modules.metrics.counters.base import Prediction
from lightning_modules.metrics.counters.outliers import Outliers
from lightning_modules.metrics.counters.reliability import Reliability
from user_error import UserError


def find_rate(positive: np.ndarray, score: np.ndarray) -> float:
    """The toolkit's: false positives at the first threshold with 95 % of the true ones."""
    false, true, _ = roc_curve(positive, score, drop_intermediate=False)
    return float(false[np.searchsorted(true, 0.95)])


def find_calibration_error(right: np.ndarray, confidence: np.ndarray) -> float:
    bins = np.minimum((confidence * 15).astype(int), 14)
    gaps = [abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins)]
    return float(sum(gaps))


def evaluate_as_the_toolkit(pixels: Pixels) -> dict[str, dict[str, float]]:
    """Over all pixels at full resolution, by scikit-learn and by hand."""
    found: dict[str, dict[str, float]] = {}
    for name in NAMES["subset"]:
        true, predicted, confidence = pixels.flatten(name)
        found[name] = {}
        if name not in WITHOUT_CLASSES:
            valid = true < CLASSES
            right = predicted[valid] == true[valid]
            table = confusion_matrix(true[valid], predicted[valid], labels=range(CLASSES))
            union = table.sum(0) + table.sum(1) - np.diag(table)
            found[name] |= {
                "miou": float(np.mean(np.diag(table) / union)),
                "ece": find_calibration_error(right, confidence[valid]),
                "auroc": roc_auc_score(right, confidence[valid]),
                "fpr95": find_rate(right, confidence[valid]),
                "aupr_success": average_precision_score(right, confidence[valid]),
                "aupr_error": average_precision_score(~right, 1 - confidence[valid]),
            }
        if name in WITH_OUTLIERS:
            known = true != 255
            odd = true[known] == OUTLIER
            found[name] |= {
                "outlier_auroc": roc_auc_score(odd, 1 - confidence[known]),
                "outlier_aupr": average_precision_score(odd, 1 - confidence[known]),
                "outlier_fpr95": find_rate(odd, 1 - confidence[known]),
            }
    return found


@pytest.fixture(scope="module")
def bravo() -> Pixels:
    return Pixels("subset")


def test_bravo_is_that_of_the_toolkit(bravo: Pixels):
    report, wanted = report_bravo(*bravo.make_record()), evaluate_as_the_toolkit(bravo)
    assert report.missing == ["ACDCrain", "ACDCnight", "ACDCsnow", "synflare", "outofcontext"]
    for name, numbers in wanted.items():
        found = {metric: bounded.value for metric, bounded in report.subsets[name].items() if metric != "hmean"}
        assert found == pytest.approx(numbers, abs=4e-3)
    as_good = {
        name: {
            metric: 1 - value if metric in ("ece", "fpr95", "outlier_fpr95") else value
            for metric, value in found.items()
        }
        for name, found in wanted.items()
    }
    for name, numbers in as_good.items():
        assert report.subsets[name]["hmean"].value == pytest.approx(hmean([*numbers.values()]), abs=4e-3)
    every = [(metric, value) for found in as_good.values() for metric, value in found.items()]
    semantic = hmean([value for metric, value in every if not metric.startswith("outlier")])
    outliers = hmean([value for metric, value in every if metric.startswith("outlier")])
    assert report.total["semantic_hmean"].value == pytest.approx(semantic, abs=3e-3)
    assert report.total["ood_hmean"].value == pytest.approx(outliers, abs=3e-3)
    assert report.total["bravo_index"].value == pytest.approx(hmean([semantic, outliers]), abs=3e-3)
    low, high = report.total["bravo_index"].low, report.total["bravo_index"].high
    assert low is not None
    assert high is not None
    assert low < report.total["bravo_index"].value < high  # type: ignore[operator]


def test_a_record_without_outliers_or_subsets_is_refused(bravo: Pixels):
    with pytest.raises(UserError, match=r"counts no outliers.*--counters outliers"):
        report_bravo(*bravo.make_record(outliers=False))
    with pytest.raises(UserError, match=r"none of fog, night, rain, snow.*acdc\.yaml"):
        report_acdc(*bravo.make_record())


def test_acdc_sums_over_conditions():
    pixels = Pixels("condition")
    report = report_acdc(*pixels.make_record(outliers=False))
    for name in (*NAMES["condition"], "all"):
        parts = [pixels.flatten(one) for one in ((name,) if name != "all" else NAMES["condition"])]
        true, predicted = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
        table = confusion_matrix(true, predicted, labels=range(CLASSES))
        ious = np.diag(table) / (table.sum(0) + table.sum(1) - np.diag(table))
        found = report.subsets[name]
        assert found["miou"].value == pytest.approx(ious.mean(), abs=1e-12)
        assert [found[f"class {k}"].value for k in range(CLASSES)] == pytest.approx(ious, abs=1e-12)
    assert report.total["miou"] == report.subsets["all"]["miou"]


def test_outliers_are_ranked_as_errors_are():
    """The bins of the usual histograms, over the same pixels: with a class everywhere, and with classes for inliers alone."""
    pixels = Pixels("subset")
    logits, mask = pixels.logits[-PER_SUBSET:], pixels.masks[-PER_SUBSET:]
    predicted = logits.argmax(1)
    found = Outliers().count(Prediction(logits, predicted, mask, CLASSES))
    for marked, column in ((mask.where(mask != OUTLIER, 0), 0), (mask, 1)):
        usual = Reliability().count(Prediction(logits, predicted, marked, CLASSES))
        for name in ("log_odds", "image_log_odds"):
            prefix = name.replace("log_odds", "outlier_log_odds")
            assert torch.equal(found[prefix][..., column], usual[name][..., 0])


def test_scores_of_single_pixels_in_a_bin():
    """Without ties they are scikit-learn's."""
    draw = np.random.default_rng(1)
    odd = draw.random(400) < 0.3
    counts = {"outlier_log_odds": np.stack([np.ones(400, int), ~odd], -1)}
    doubt = np.arange(400)  # the first bin is the most confident
    assert SCORES["outlier_auroc"].score_sums(counts) == pytest.approx(roc_auc_score(odd, doubt))
    assert SCORES["outlier_aupr"].score_sums(counts) == pytest.approx(average_precision_score(odd, doubt))
    rate = SCORES["outlier_fpr95"].score_sums(counts)
    assert rate == pytest.approx(find_rate(odd, doubt), abs=1 / (~odd).sum())
