"""Correlations over networks, against scipy, by hand, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from experiments.evaluation.proxy import (
    CORRUPTED,
    REAL_MEAN,
    associate,
    correlate,
    correlate_given_clean,
    correlate_ranks,
    study,
)
from experiments.evaluation.published import Published

CONDITIONS = [("clean", 0), ("fog", 1), ("fog", 2), ("noise", 1), ("real_fog", 0), ("real_night", 0)]
KINDS = ["clean", "corruption", "corruption", "corruption", "shift", "shift"]


@pytest.fixture
def scores() -> np.ndarray:
    return np.random.default_rng(0).random((25, 3))


def make_networks(number: int = 6) -> list[Published]:
    draw = np.random.default_rng(1)
    return [
        Published(f"n{at}", CONDITIONS, draw.random(6), KINDS, "streets", family=f"f{at % 2}") for at in range(number)
    ]


def test_correlations_are_those_of_scipy(scores: np.ndarray) -> None:
    scores[:5, 0] = scores[0, 0]  # ties
    assert correlate(scores) == pytest.approx(stats.pearsonr(scores[:, 0], scores[:, 1]).statistic)
    assert correlate_ranks(scores) == pytest.approx(stats.spearmanr(scores[:, 0], scores[:, 1]).statistic)


def test_the_partial_correlation_is_that_of_residuals(scores: np.ndarray) -> None:
    design = np.column_stack([np.ones(25), scores[:, 2]])
    left = scores[:, :2] - design @ np.linalg.lstsq(design, scores[:, :2], rcond=None)[0]
    assert correlate_given_clean(scores) == pytest.approx(np.corrcoef(left.T)[0, 1])


def test_what_does_not_vary_correlates_with_nothing(scores: np.ndarray) -> None:
    scores[:, 0] = 0.5
    found = associate(correlate, scores, ["a"] * 25)
    assert np.isnan([found.value, *found.networks, *found.families]).all()


def test_an_entire_correlation_has_no_interval(scores: np.ndarray) -> None:
    scores[:, 1] = scores[:, 0]
    found = associate(correlate, scores, [str(at) for at in range(25)])
    assert found.value == pytest.approx(1)
    assert np.isnan(found.networks).all()


def test_few_networks_or_families_have_no_interval(scores: np.ndarray) -> None:
    found = associate(correlate, scores[:19], [str(at % 4) for at in range(19)])
    assert np.isnan([*found.networks, *found.families]).all()
    low, high = found.without_family
    assert low < found.value < high


def test_intervals_hold_as_often_as_they_say() -> None:
    """Families as large as those of SemSegBench; networks of a family share half of their variance."""
    draw, families = np.random.default_rng(0), np.repeat(np.arange(7), [1, 3, 3, 2, 12, 5, 5])
    names, true, trials = [str(one) for one in families], 0.8, 400
    held = np.zeros((2, 2))
    for alike in (0, 1):
        for _ in range(trials):
            shared, own = (draw.multivariate_normal([0, 0], [[1, true], [true, 1]], size) for size in (7, 31))
            pairs = np.sqrt(alike / 2) * shared[families] + np.sqrt(1 - alike / 2) * own
            found = associate(correlate, np.column_stack([pairs, pairs[:, 0]]), names)
            held[alike] += [low <= true <= high for low, high in (found.networks, found.families)]
    (networks, families_too), (dependent, families_hold) = held / trials
    assert networks > 0.93
    assert families_too > 0.91
    assert families_hold > 0.91
    assert dependent < 0.92, "networks of one family are not independent, which the wider interval is for"


def test_predictions_of_a_data_set() -> None:
    networks = make_networks()
    found = study(networks, {"real_fog": "fog"})
    assert found is not None
    assert [(one.real, one.predictor) for one in found.predictions] == [
        (REAL_MEAN, "clean"),
        (REAL_MEAN, CORRUPTED),
        ("real_fog", "clean"),
        ("real_fog", CORRUPTED),
        ("real_fog", "fog"),
        ("real_night", "clean"),
        ("real_night", CORRUPTED),
    ]
    table = np.array([network.scores for network in networks])
    fog = table[:, 1:3].mean(1)
    expected = {
        (REAL_MEAN, CORRUPTED): ((fog + table[:, 3]) / 2, table[:, 4:].mean(1)),
        ("real_fog", "fog"): (fog, table[:, 4]),
        ("real_night", "clean"): (table[:, 0], table[:, 5]),
    }
    by_name = {(one.real, one.predictor): one for one in found.predictions}
    for key, (one, other) in expected.items():
        assert by_name[key].pearson.value == pytest.approx(stats.pearsonr(one, other).statistic), key
    assert by_name["real_night", "clean"].partial is None
    assert found.families == 2


def test_the_pooled_condition_stands_for_all() -> None:
    found = study(make_networks(), {}, pooled="real_night", each_corruption=True)
    assert found is not None
    assert [(one.real, one.predictor) for one in found.predictions[:4]] == [
        ("real_night", name) for name in ("clean", CORRUPTED, "fog", "noise")
    ]
    assert len(found.predictions) == 8


def test_networks_without_all_conditions_are_named() -> None:
    networks = make_networks()
    networks[2] = networks[2]._replace(conditions=CONDITIONS[:-1], kinds=KINDS[:-1], scores=networks[2].scores[:-1])
    found = study(networks, {})
    assert found is not None
    assert [one.name for one in found.incomplete] == ["n2"]
    assert len(found.networks) == 5
    assert study(networks[:4], {}) is None


def test_networks_of_one_name_are_several() -> None:
    networks = [network._replace(name="same") for network in make_networks()]
    found = study(networks, {})
    assert found is not None
    assert (len(found.networks), found.incomplete) == (6, [])
