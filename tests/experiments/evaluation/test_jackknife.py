"""Intervals of the jackknife: Student's t, with the degrees of freedom that the units bear."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.evaluation.blocks import make_blocks
from experiments.evaluation.jackknife import (
    FRACTION,
    compute_equivalence_p,
    count_bearing,
    degrees_of_freedom,
    jackknife_interval,
)
from experiments.evaluation.statistics import bca_interval


def leave_out(values: np.ndarray) -> np.ndarray:
    """Means without each value in turn."""
    return (values.sum() - values) / (len(values) - 1)


def test_of_a_mean_it_is_students_interval() -> None:
    """With as many degrees of freedom as its squared deviations have, which scipy knows nothing of."""
    values = np.random.default_rng(0).normal(3, 2, 40)
    squares = (leave_out(values) - values.mean()) ** 2
    freedom = degrees_of_freedom(squares, 40)
    assert FRACTION * 20 < freedom <= FRACTION * 39
    wanted = stats.t.interval(0.95, freedom, loc=values.mean(), scale=stats.sem(values))
    assert jackknife_interval(values.mean(), leave_out(values)) == pytest.approx(wanted)


def test_few_degrees_of_freedom_where_few_units_decide() -> None:
    squares = np.full(50, 1e-4)
    assert degrees_of_freedom(squares, 50) == pytest.approx(FRACTION * 49)
    squares[0] = 1.0
    assert degrees_of_freedom(squares, 50) < 2.5


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 20), st.floats(0.5, 20))
def test_a_score_and_what_is_left_of_it_have_mirrored_intervals_within_their_range(
    seed: int, one: float, other: float
) -> None:
    values = np.random.default_rng(seed).beta(one, other, 30)
    low, high = jackknife_interval(values.mean(), leave_out(values), "score")
    assert 0 < low < values.mean() < high < 1
    assert jackknife_interval(1 - values.mean(), leave_out(1 - values), "score") == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(
    ("units", "bearing", "stated"), [(19, 19, False), (20, 20, True), (40, 9, False), (40, 10, True)]
)
def test_too_few_units_have_no_interval(units: int, bearing: int, stated: bool) -> None:
    values = np.full(units, 0.5)
    values[:bearing] = np.random.default_rng(0).uniform(0.6, 0.9, bearing)
    left_out = 0.6 + np.where(np.arange(units) < bearing, values, 0) / 100
    left_out[bearing:] = left_out.mean() if units == bearing else left_out[:bearing].mean()
    assert count_bearing(left_out) == bearing
    assert np.isfinite(jackknife_interval(0.6, left_out, "score")).all() == stated


def test_units_without_a_score_are_left_out() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, 30)
    with_gaps = np.concatenate([leave_out(values), [np.nan] * 5])
    assert jackknife_interval(values.mean(), with_gaps) == jackknife_interval(values.mean(), leave_out(values))
    assert np.isnan(jackknife_interval(float("nan"), leave_out(values))).all()


def test_it_holds_where_the_bootstrap_does_not() -> None:
    """Means of values that differ by orders of magnitude, from 25 of them; `coverage` tries what networks meet."""
    rng, truth, level = np.random.default_rng(0), np.exp(0.5), {"jackknife": 0, "bca": 0}
    for _ in range(400):
        values = np.exp(rng.normal(size=25))
        left_out = leave_out(values)
        low, high = jackknife_interval(values.mean(), left_out)
        level["jackknife"] += low <= truth <= high
        resampled = rng.choice(values, (400, 25)).mean(1)
        low, high = bca_interval(values.mean(), resampled, left_out)
        level["bca"] += low <= truth <= high
    assert level["bca"] < level["jackknife"]
    assert level["jackknife"] > 0.9 * 400


def test_blocks_widen_it_where_neighbours_are_alike() -> None:
    """Each value four times in a row: as single ones they pretend to be four times as many."""
    values = np.random.default_rng(0).normal(size=100)
    repeated = np.repeat(values, 4)
    blocks = make_blocks([400])
    left_out = (repeated.sum() - blocks.sum_blocks(repeated)) / (400 - blocks.length)
    low, high = jackknife_interval(repeated.mean(), left_out, blocks=blocks)
    narrow_low, narrow_high = jackknife_interval(repeated.mean(), leave_out(repeated))
    wanted_low, wanted_high = jackknife_interval(values.mean(), leave_out(values))
    assert narrow_high - narrow_low < 0.6 * (wanted_high - wanted_low)
    assert 0.7 * (wanted_high - wanted_low) < high - low < 1.5 * (wanted_high - wanted_low)


@pytest.mark.parametrize(("frames", "stated"), [(40, False), (100, True)])
def test_too_few_blocks_have_no_interval(frames: int, stated: bool) -> None:
    values = np.random.default_rng(0).normal(size=frames)
    blocks = make_blocks([frames])
    left_out = (values.sum() - blocks.sum_blocks(values)) / (frames - blocks.length)
    assert np.isfinite(jackknife_interval(values.mean(), left_out, blocks=blocks)).all() == stated


def test_equivalence_of_a_mean_is_two_one_sided_t_tests() -> None:
    values = np.random.default_rng(0).normal(0.1, 1, 40)
    squares = (leave_out(values) - values.mean()) ** 2
    freedom, error = degrees_of_freedom(squares, 40), stats.sem(values)
    wanted = max(
        stats.t.sf((values.mean() + 0.5) / error, freedom), stats.t.cdf((values.mean() - 0.5) / error, freedom)
    )
    assert compute_equivalence_p(values.mean(), leave_out(values), 0.5) == pytest.approx(wanted)
    low, high = jackknife_interval(values.mean(), leave_out(values), level=0.9)
    edge = max(-low, high)  # equivalent at 5 % just where the 90 % interval lies within the margin
    assert compute_equivalence_p(values.mean(), leave_out(values), edge) == pytest.approx(0.05)
    assert np.isnan(compute_equivalence_p(0.0, leave_out(values[:19]), 0.5))


def test_equal_networks_are_equivalent_and_few_that_differ_are_no_lack_of_knowledge() -> None:
    assert compute_equivalence_p(0.0, np.zeros(100), 0.01) == 0.0
    assert compute_equivalence_p(0.02, np.full(100, 0.02), 0.01) == 1.0
    few = np.zeros(1000)
    few[:5] = 1e-5
    assert compute_equivalence_p(0.0, few, 0.01) < 1e-6
