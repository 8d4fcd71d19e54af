"""Fit when to trust a network's masks: what a corrupted image looks like, how far it lies, and how risky its mask is."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from experiments.evaluation.blocks import order_sequences
from experiments.trust.image_statistics import NAMES as OF_IMAGE
from experiments.trust.observed import Observed
from experiments.trust.statistics import NAMES
from experiments.trust.trust_model import TrustModel
from user_error import UserError

FOLDS = 5
"""Parts of the images, of which each is judged by what was fitted on the others."""

FEWEST = 2 * FOLDS
"""Images of the validation split that are needed."""


class Known(NamedTuple):
    """What is fitted for.

    Attributes:
        checkpoint: SHA-256 of the network's file.
        suite: title of the suite.
        least: score below which a segmentation is poor.
        misses: share of poor segmentations that may be trusted.
        expected: scores of conditions that a record states; `None` where they are those of the validation split.
        expected_from: name of the record.
    """

    checkpoint: str
    suite: str
    least: float
    misses: float
    expected: Mapping[tuple[str, int], float | None] | None
    expected_from: str


def fit_trust(training: Observed, validation: Observed, known: Known) -> TrustModel:
    """Fit on the validation split under all conditions, with the clean training images as what is usual.

    - The condition: linear discriminant analysis of the standardised statistics of images, one covariance for all conditions,
      shrunk (Ledoit & Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices", 2004).
    - The distance: Mahalanobis', from the clean training images (as Lee et al., "A Simple Unified Framework for Detecting
      Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018, of features).
    - The risk: logistic regression of "the score is below the least" on the statistics, the distance and the score that is
      expected under the condition. Its threshold lets as many poor segmentations pass as allowed, among images that were
      not fitted on (cross-validation over units, such as patients, or pieces of sequences).

    Raises:
        UserError: there are too few images or units, or all segmentations are poor, or none.
    """
    model = _fit_signs(training, validation, known)
    poor = find_poor(validation, known.least)
    scored = ~np.isnan(validation.scores)
    groups = _group(validation)
    few = [(len(validation.ids), "images", FEWEST), (len(np.unique(groups)), "units, such as patients", FOLDS)]
    for number, what, needed in few:
        if number < needed:
            raise UserError(f"the validation split gave {number} {what}: too few to fit on, {needed} are needed")
    if not poor.any() or poor[scored].all():
        which = "all segmentations are" if poor.any() else "no segmentation is"
        raise UserError(
            f"{which} below a score of {known.least:g} under {known.suite}, so nothing tells them apart: pass another --least, "
            "or a suite of other severities"
        )
    risks = np.full(poor.shape, np.nan)
    for kept, left in GroupKFold(FOLDS).split(poor, groups=groups):
        others = validation.select(kept.tolist())
        part = _fit_risk(_fit_signs(training, others, known), others, known.least)
        risks[left] = part.estimate_risk(validation.statistics[left])
    threshold = float(np.quantile(risks[poor], known.misses))
    return _fit_risk(model, validation, known.least).model_copy(update={"threshold": threshold})


def _group(observed: Observed) -> np.ndarray:
    """Which images (N,) stay in one part: those of a unit; sequences are cut into as many pieces as there are parts."""
    units, places = observed.grouping
    number = len(observed.ids)
    if units is None:
        return np.arange(number)
    if places is None:
        return np.unique(np.asarray(units), return_inverse=True)[1]
    groups = np.empty(number, np.int64)
    groups[order_sequences(units, places)[0]] = np.arange(number) * FOLDS // max(1, number)
    return groups


def find_poor(observed: Observed, least: float) -> np.ndarray:
    """Which images under which conditions have a score below the least; those without a score do not."""
    return np.nan_to_num(observed.scores, nan=1.0) < least


def _fit_signs(training: Observed, validation: Observed, known: Known) -> TrustModel:
    """All but the risk."""
    usual = training.statistics[:, 0].astype(np.float64)
    centre, scale = usual.mean(0), usual.std(0)
    scale = np.where(scale > 1e-6, scale, 1.0)
    covariance = LedoitWolf(assume_centered=True).fit((usual - centre) / scale)
    images, conditions = validation.scores.shape
    standardised = (validation.statistics - centre) / scale
    of_image = standardised[..., : len(OF_IMAGE)].reshape(images * conditions, -1)
    labels = np.tile(np.arange(conditions), images)
    weights, biases = _tell_apart(of_image, labels)
    means = [_mean(validation.scores[:, place]) for place in range(conditions)]
    expected = means if known.expected is None else [known.expected.get(one) for one in validation.conditions]
    model = TrustModel(
        checkpoint=known.checkpoint,
        suite=known.suite,
        least=known.least,
        statistics=[*NAMES],
        of_image=len(OF_IMAGE),
        centre=centre.tolist(),
        scale=scale.tolist(),
        precision=covariance.precision_.tolist(),
        distances=[0.0] * 101,
        conditions=validation.conditions,
        weights=weights.tolist(),
        biases=biases.tolist(),
        expected=expected,
        expected_from=known.expected_from,
        risk_weights=[0.0] * (len(NAMES) + 2),
        risk_bias=0.0,
        threshold=0.5,
    )
    distances = model.measure_distance(standardised[:, 0])
    return model.model_copy(update={"distances": np.quantile(distances, np.linspace(0, 1, 101)).tolist()})


def _tell_apart(statistics: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (C, F) and biases (C,) of linear discriminant analysis."""
    if not labels.any():  # of one condition alone
        return np.zeros((1, statistics.shape[1])), np.zeros(1)
    found = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(statistics, labels)
    weights, biases = found.coef_, found.intercept_
    if len(weights) == 1:  # of two, scikit-learn states the second against the first
        weights, biases = np.concatenate([0 * weights, weights]), np.concatenate([0 * biases, biases])
    return weights, biases


def _mean(scores: np.ndarray) -> float | None:
    return None if np.isnan(scores).all() else float(np.nanmean(scores))


def _fit_risk(model: TrustModel, validation: Observed, least: float) -> TrustModel:
    """The risk's weights; signs are standardised once more for the fit, which is folded into them."""
    scored = ~np.isnan(validation.scores)
    signs = model.make_signs(model.standardise(validation.statistics))[scored]
    poor = find_poor(validation, least)[scored]
    if len(np.unique(poor)) < 2:
        return model.model_copy(update={"risk_bias": 20.0 if poor.all() else -20.0})
    centre, scale = signs.mean(0), signs.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    found = LogisticRegression(C=1.0, max_iter=2000).fit((signs - centre) / scale, poor)
    weights = found.coef_[0] / scale
    return model.model_copy(
        update={"risk_weights": weights.tolist(), "risk_bias": float(found.intercept_[0] - weights @ centre)}
    )
