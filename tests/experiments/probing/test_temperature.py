"""The temperature against scipy's minimum and scikit-learn's logistic regression."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from experiments.probing.temperature import COLDEST, HOTTEST, fit_temperature, mean_nll


def test_temperature_minimises_the_likelihood() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 500)
    logits = (3 * random.normal(size=(500, 4)) + 4 * np.eye(4)[labels]).astype(np.float32)
    found = fit_temperature(logits, labels)
    wanted = minimize_scalar(lambda log: mean_nll(logits.astype(float) / np.exp(log), labels), tol=1e-10)
    assert found == pytest.approx(np.exp(wanted.x), rel=1e-4)
    assert fit_temperature(logits / 8, labels) == pytest.approx(found / 8, rel=1e-6)


def test_temperature_of_two_classes_is_platts_without_offset() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 400)
    margin = random.normal(size=400) + labels - 0.5
    logistic = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(2 * margin[:, None], labels)
    found = fit_temperature(np.stack([-margin, margin], 1).astype(np.float32), labels)
    assert 1 / found == pytest.approx(logistic.coef_.item(), rel=1e-3)


def test_temperature_has_ends() -> None:
    right = np.eye(3, dtype=np.float32)
    assert fit_temperature(right, np.arange(3)) == pytest.approx(COLDEST)
    assert fit_temperature(right, np.array([1, 2, 0])) == pytest.approx(HOTTEST)
