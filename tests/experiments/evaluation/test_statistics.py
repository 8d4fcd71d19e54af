import math
from collections.abc import Callable, Sequence
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.evaluation.robustness import summarise
from experiments.evaluation.scores.ratios import Ratio
from experiments.evaluation.statistics import (
    LEVEL,
    RESAMPLES,
    Interval,
    Measure,
    adjust_p_values,
    bca_interval,
    bootstrap,
    compute_intervals,
    compute_joint_intervals,
    estimate_scores,
    jackknife,
    percentile_interval,
    permutation_test,
    point_estimate,
    sum_by_unit,
)

CONDITIONS = [("clean", 0), ("noise", 1)]
SEEDS = st.integers(0, 10**6)


def compute_paired_intervals(
    one: Ratio, other: Ratio, measure: Measure, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """Intervals of `other` less `one`, both on the same resamples of the same units."""

    def subtract(scores: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        left, right = map(measure, scores)
        return {name: right[name] - left[name] for name in left}

    return compute_joint_intervals([estimate_scores([ratio], resamples) for ratio in (one, other)], subtract)


def of_classes(counts: np.ndarray) -> Ratio:
    """IoU of class counts (N, conditions, K, 3)."""
    hit, predicted, true = np.moveaxis(counts, -1, 0)
    return Ratio(hit, predicted + true - hit)


def of_values(values: np.ndarray) -> Ratio:
    """A share whose score is the mean over units of `values` (N, conditions)."""
    return Ratio(values[..., None], np.ones_like(values)[..., None])


def score_by_hand(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Mean (conditions,) over the classes that occur, of sums (conditions, k)."""
    found = []
    for tops, bottoms in zip(numerator.tolist(), denominator.tolist(), strict=True):
        present = [top / bottom for top, bottom in zip(tops, bottoms, strict=True) if bottom]
        found.append(sum(present) / len(present) if present else math.nan)
    return np.array(found)


def by_condition(scores: np.ndarray) -> dict[str, np.ndarray]:
    return {str(place): scores[..., place] for place in range(scores.shape[-1])}


def miou_and_retention(scores: np.ndarray) -> dict[str, np.ndarray]:
    found = summarise(scores, CONDITIONS)
    return {name: found[name] for name in ("clean_miou", "mean_corrupted_miou", "retention")}


def draw_images(seed: int = 0, images: int = 40, skill: float = 0.0) -> np.ndarray:
    """Class counts (N, 2 conditions, 3 classes, 3), of images of very different difficulty."""
    random = np.random.default_rng(seed)
    true = random.integers(20, 100, (images, 1, 3)).repeat(2, axis=1)
    easy = random.beta(2, 1, (images, 1, 1)) * np.array([1, 0.7])[:, None]
    hit = (true * np.clip(easy + random.normal(skill, 0.05, true.shape), 0, 1)).astype(int)
    return np.stack([hit, hit + random.integers(0, 20, hit.shape), true], axis=-1)


def width(interval: Interval) -> float:
    low, high = interval.percentile
    return high - low


# Bootstrap


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(3, 25), st.sampled_from(["percentile", "BCa"]))
def test_edges_are_scipys_of_the_same_resamples(seed: int, size: int, method: str) -> None:
    """A skewed sample and a skewed statistic, resampled here by plain loops; sorted, so that ties are exact."""
    random = np.random.default_rng(seed)
    sample = np.sort(random.exponential(1, size))

    def statistic(values: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.mean(values, axis) / (0.1 + np.var(values, axis))

    values = np.array([statistic(np.sort(random.choice(sample, size))) for _ in range(300)])
    scipys = stats.bootstrap(
        (sample,),
        statistic,
        n_resamples=0,
        bootstrap_result=SimpleNamespace(bootstrap_distribution=values),
        method=method,
    ).confidence_interval
    if method == "percentile":
        found = percentile_interval(values)
    else:
        jackknife = np.array([statistic(np.delete(sample, place)) for place in range(size)])
        found = bca_interval(float(statistic(sample)), values, jackknife)
    assert found == pytest.approx((scipys.low, scipys.high), rel=1e-9)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_agree_with_scipy(method: str) -> None:
    """Different draws of the same images: within what 5,000 resamples leave to chance."""
    counts = draw_images(images=30)
    found = compute_intervals(of_classes(counts), miou_and_retention, resamples=5000)

    def statistic(index: np.ndarray, axis: int = -1, *, number: str) -> np.ndarray:
        hit, predicted, true = np.moveaxis(counts[np.moveaxis(index, axis, 0)].sum(0), -1, 0)
        clean, noise = np.moveaxis((hit / (predicted + true - hit)).mean(-1), -1, 0)
        return {"clean_miou": clean, "mean_corrupted_miou": noise, "retention": noise / clean}[number]

    for name, interval in found.items():
        wanted = stats.bootstrap(
            (np.arange(30),),
            lambda index, axis, name=name: statistic(index, axis, number=name),
            n_resamples=5000,
            method={"bca": "BCa"}.get(method, method),
            rng=1,
        ).confidence_interval
        low, high = getattr(interval, method)
        assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=0.06 * (wanted.high - wanted.low))


def test_resamples_are_drawn_with_replacement() -> None:
    """Three images: each of the 27 draws is as likely."""
    values, resamples = np.array([[1.0], [10.0], [100.0]]), 27_000
    found = np.round(bootstrap(of_values(values), resamples)[:, 0] * 3).astype(int)
    wanted: dict[int, int] = {}
    for drawn in product([1, 10, 100], repeat=3):
        wanted[sum(drawn)] = wanted.get(sum(drawn), 0) + 1
    seen = dict(zip(*(part.tolist() for part in np.unique(found, return_counts=True)), strict=True))
    assert seen.keys() == wanted.keys()
    for total, times in wanted.items():
        assert seen[total] == pytest.approx(1000 * times, abs=5 * math.sqrt(1000 * times))


@pytest.mark.parametrize("resamples", [1, 100, 101, 250])
def test_as_many_resamples_as_asked_for(resamples: int) -> None:
    share = of_classes(draw_images())
    found = bootstrap(share, resamples)
    assert found.shape == (resamples, 2)
    np.testing.assert_array_equal(found, bootstrap(share, resamples))
    assert not np.array_equal(found, bootstrap(share, resamples, seed=1))


def test_intervals_are_the_same_every_time() -> None:
    share = of_classes(draw_images())
    one = compute_intervals(share, miou_and_retention)
    assert one == compute_intervals(share, miou_and_retention)
    assert one != compute_intervals(share, miou_and_retention, seed=1)
    estimate = miou_and_retention(score_by_hand(*(part.sum(0) for part in share[:2])))
    for name, interval in one.items():
        for low, high in interval:
            assert low < estimate[name] < high


def test_images_are_drawn_whole() -> None:
    """The same images under all conditions: with equal counts in both, every resample agrees."""
    counts = draw_images()
    counts[:, 1] = counts[:, 0]
    scores = bootstrap(of_classes(counts), 200)
    np.testing.assert_array_equal(scores[:, 0], scores[:, 1])
    assert compute_intervals(of_classes(counts), miou_and_retention)["retention"][:2] == ((1, 1), (1, 1))


def test_a_score_is_of_the_sums_not_a_mean_over_images() -> None:
    """Resampling an image of a million pixels beside small ones."""
    counts = draw_images(images=8)
    counts[0] *= 10_000
    ious = counts[0, 0, :, 0] / (counts[0, 0, :, 1] + counts[0, 0, :, 2] - counts[0, 0, :, 0])
    scores = bootstrap(of_classes(counts), 500)[:, 0]
    assert np.mean(np.abs(scores - ious.mean()) < 0.01) == pytest.approx(1 - (7 / 8) ** 8, abs=0.11)


def test_a_class_that_a_resample_lacks_leaves_its_mean() -> None:
    share = Ratio(np.array([[[8, 0]], [[0, 3]]]), np.array([[[10, 0]], [[0, 10]]]))
    found = bootstrap(share, 300)
    assert set(np.round(found[:, 0], 12)) == {0.8, 0.3, 0.55}


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(1, 12))
def test_jackknife_leaves_out_each_unit(seed: int, images: int) -> None:
    numerator, denominator, _ = of_classes(draw_images(seed, images))
    wanted = [
        score_by_hand(np.delete(numerator, place, 0).sum(0), np.delete(denominator, place, 0).sum(0))
        for place in range(images)
    ]
    np.testing.assert_allclose(jackknife(Ratio(numerator, denominator)), wanted, rtol=1e-12)


# Where an interval cannot be corrected, or there is none


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("estimate", "values", "jackknife"),
    [
        (0.5, [0.6, 0.7, 0.8], [0.4, 0.5, 0.7]),  # all above the estimate
        (0.9, [0.6, 0.7, 0.8], [0.4, 0.5, 0.7]),  # all below
        (0.7, [0.6, 0.7, 0.8], [0.7, 0.7, 0.7]),  # no image matters
        (0.7, [0.6, 0.7, 0.8], []),
        (0.7, [0.6, 0.7, 0.8], [np.nan]),
        (np.nan, [0.6, 0.7, 0.8], [0.4, 0.5, 0.7]),
    ],
)
def test_without_a_correction_the_percentiles_stand(
    estimate: float, values: list[float], jackknife: list[float]
) -> None:
    drawn = np.array(values)
    wanted = tuple(np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    assert bca_interval(estimate, drawn, np.array(jackknife)) == pytest.approx(wanted)


@pytest.mark.filterwarnings("error")
def test_no_variation_is_an_interval_of_no_width() -> None:
    assert bca_interval(0.5, np.full(9, 0.5), np.full(4, 0.5)) == (0.5, 0.5)


def test_ties_stay_ties_on_any_processor() -> None:
    """Sums in another order differ in their last bit: that makes no resample larger or smaller than the estimate."""
    random = np.random.default_rng(0)
    values, jackknife = np.append(random.normal(0.3, 1, 500), np.full(500, 0.3)), random.normal(0, 1, 20)
    rounded = values + random.choice([-1e-16, 0], 1000)
    assert np.sum(rounded == 0.3) < np.sum(values == 0.3)
    assert bca_interval(0.3, rounded, jackknife) == pytest.approx(bca_interval(0.3, values, jackknife), abs=1e-12)


@pytest.mark.filterwarnings("error")
def test_resamples_without_a_score_are_left_out() -> None:
    random = np.random.default_rng(0)
    values, jackknife = random.normal(0, 1, 500), random.normal(0, 1, 20)
    gaps = np.insert(values, [0, 100, 500], np.nan)
    assert percentile_interval(gaps) == percentile_interval(values)
    assert bca_interval(0.1, gaps, np.append(jackknife, np.nan)) == bca_interval(0.1, values, jackknife)
    none = np.full(5, np.nan)
    assert np.isnan([percentile_interval(none), bca_interval(0.5, none, none)]).all()


@pytest.mark.filterwarnings("error")
def test_one_image_has_no_spread() -> None:
    counts = draw_images(images=1)
    found = compute_intervals(of_classes(counts), miou_and_retention)
    clean, noise = score_by_hand(*(part.sum(0) for part in of_classes(counts)[:2]))
    for name, value in {"clean_miou": clean, "mean_corrupted_miou": noise, "retention": noise / clean}.items():
        assert [*found[name].percentile, *found[name].bca] == pytest.approx([value] * 4)


@pytest.mark.filterwarnings("error")
def test_a_number_that_does_not_exist_has_no_interval() -> None:
    share = of_classes(draw_images()[:, :1])
    found = compute_intervals(share, lambda scores: summarise(scores, CONDITIONS[:1]))
    assert np.isnan(found["retention"]).all()
    assert not np.isnan(found["clean_miou"]).any()


# Units


@given(st.lists(st.sampled_from(["anna", "bert", "carl"]), min_size=1, max_size=12))
def test_units_are_sums_of_their_images(units: list[str]) -> None:
    share = of_classes(draw_images(images=len(units)))
    found = sum_by_unit(share, units)
    for part, summed in zip(share[:2], found[:2], strict=True):
        assert summed.dtype == part.dtype
        wanted = [sum(part[place] for place, unit in enumerate(units) if unit == name) for name in sorted(set(units))]
        np.testing.assert_array_equal(summed, wanted)


def test_units_of_one_image_each_change_nothing() -> None:
    share = of_classes(draw_images(images=24))
    names = [f"{place:02d}" for place in range(24)]
    assert compute_intervals(sum_by_unit(share, names), miou_and_retention) == compute_intervals(
        share, miou_and_retention
    )


def test_copies_within_a_unit_add_no_certainty() -> None:
    """Taken for images of their own, four copies of each would make the interval half as wide."""
    counts = draw_images(images=25)
    copies, units = counts.repeat(4, axis=0), [f"{place:02d}" for place in range(25) for _ in range(4)]
    one = compute_intervals(of_classes(counts), miou_and_retention)
    grouped = compute_intervals(sum_by_unit(of_classes(copies), units), miou_and_retention)
    apart = compute_intervals(of_classes(copies), miou_and_retention)
    for name, interval in one.items():
        np.testing.assert_allclose(np.array(grouped[name]), np.array(interval), rtol=1e-9)
        assert width(apart[name]) == pytest.approx(width(interval) / 2, rel=0.15)


# Two models


def test_paired_intervals_agree_with_scipy() -> None:
    one, other = draw_images(images=30), draw_images(images=30, skill=0.03)
    found = compute_paired_intervals(of_classes(one), of_classes(other), miou_and_retention, resamples=5000)

    def retention(index: np.ndarray, axis: int) -> list[np.ndarray]:
        ious = []
        for counts in (one, other):
            hit, predicted, true = np.moveaxis(counts[np.moveaxis(index, axis, 0)].sum(0), -1, 0)
            clean, noise = np.moveaxis((hit / (predicted + true - hit)).mean(-1), -1, 0)
            ious.append(noise / clean)
        return ious[1] - ious[0]

    for method, (low, high) in zip(["percentile", "BCa"], found["retention"][:2], strict=True):
        scipys = stats.bootstrap((np.arange(30),), retention, n_resamples=5000, method=method, rng=1)
        wanted = scipys.confidence_interval
        assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=0.06 * (wanted.high - wanted.low))


def test_pairs_share_what_is_hard_about_an_image() -> None:
    one, other = of_classes(draw_images()), of_classes(draw_images(skill=0.03))
    paired = compute_paired_intervals(one, other, miou_and_retention)["clean_miou"]
    assert width(paired) < 0.3 * width(compute_intervals(one, miou_and_retention)["clean_miou"])
    low, high = paired.bca
    assert 0 < low < high
    turned = compute_paired_intervals(other, one, miou_and_retention)["clean_miou"]
    assert turned.percentile == pytest.approx((-paired.percentile[1], -paired.percentile[0]))


def test_a_model_does_not_differ_from_itself() -> None:
    share = of_classes(draw_images())
    for interval in compute_paired_intervals(share, share, miou_and_retention).values():
        assert interval[:2] == ((0, 0), (0, 0))
        assert np.isnan(interval.jackknife).all()  # no unit bears on it
    assert set(permutation_test(share, share, miou_and_retention, 100).values()) == {1.0}


def enumerated(one: Ratio, other: Ratio, measure: Callable[[np.ndarray], dict[str, np.ndarray]]) -> dict[str, list]:
    """The absolute difference of every number under each of the 2^N swaps; the first swaps nothing."""
    differences: dict[str, list] = {}
    for swaps in product([False, True], repeat=len(one.numerator)):
        sides = []
        for first, second in ((one, other), (other, one)):
            chosen = [
                sum(right[k] if swap else left[k] for k, swap in enumerate(swaps))
                for left, right in zip(first[:2], second[:2], strict=True)
            ]
            sides.append(measure(score_by_hand(*chosen)))
        for name in sides[0]:
            differences.setdefault(name, []).append(abs(float(sides[1][name] - sides[0][name])))
    return differences


@pytest.mark.parametrize("seed", range(4))
def test_p_values_are_those_of_all_swaps(seed: int) -> None:
    one, other = of_classes(draw_images(seed, 6)), of_classes(draw_images(seed + 10, 6))
    permutations = 10_000
    found = permutation_test(one, other, miou_and_retention, permutations)
    for name, differences in enumerated(one, other, miou_and_retention).items():
        exact = np.mean([difference >= differences[0] - 1e-12 for difference in differences])
        chance = 5 * math.sqrt(exact * (1 - exact) / permutations) + 1 / permutations
        assert found[name] == pytest.approx(exact, abs=chance)


@pytest.mark.parametrize("seed", range(3))
def test_p_values_agree_with_scipy(seed: int) -> None:
    random = np.random.default_rng(seed)
    one = random.random(10)
    other = one + random.normal(0.05, 0.1, 10)
    wanted = stats.permutation_test(
        (one, other), lambda a, b, axis: np.mean(b - a, axis), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    found = permutation_test(of_values(one[:, None]), of_values(other[:, None]), by_condition, 10_000)["0"]
    assert found == pytest.approx(wanted, abs=5 * math.sqrt(wanted / 10_000) + 1e-4)


@pytest.mark.parametrize("permutations", [99, 100, 250])
def test_the_observed_swap_is_one_of_them(permutations: int) -> None:
    one, other = of_classes(draw_images(0, 60)), of_classes(draw_images(0, 60, skill=0.1))
    found = permutation_test(one, other, miou_and_retention, permutations)
    assert found["clean_miou"] == pytest.approx(1 / (permutations + 1))
    middling = permutation_test(one, of_classes(draw_images(1, 60)), miou_and_retention, permutations)
    for value in middling.values():
        assert value * (permutations + 1) == pytest.approx(round(value * (permutations + 1)), abs=1e-9)


def test_p_values_do_not_depend_on_which_comes_first() -> None:
    one, other = of_classes(draw_images(0)), of_classes(draw_images(0, skill=0.005))
    found = permutation_test(one, other, miou_and_retention, 300)
    assert found == permutation_test(other, one, miou_and_retention, 300)
    assert found == permutation_test(one, other, miou_and_retention, 300, seed=0)
    assert found != permutation_test(one, other, miou_and_retention, 300, seed=1)


def test_p_values_without_a_difference_are_anything_between_0_and_1() -> None:
    """Bounds are five standard deviations of the mean, and of the share below a level."""
    repetitions, values = 150, []
    for seed in range(repetitions):
        one, other = np.random.default_rng(seed).random((2, 15, 1))
        values.append(permutation_test(of_values(one), of_values(other), by_condition, 99, seed)["0"])
    assert np.mean(values) == pytest.approx(0.505, abs=5 * math.sqrt(1 / 12 / repetitions))
    for level in (0.05, 0.2, 0.5):
        below = np.mean(np.array(values) <= level)
        assert below == pytest.approx(level, abs=5 * math.sqrt(level * (1 - level) / repetitions))


def test_no_score_no_p_value() -> None:
    one, other = draw_images(0), draw_images(1)
    one[:, 1], other[:, 1] = 0, 0
    found = permutation_test(of_classes(one), of_classes(other), by_condition, 100)
    assert np.isnan(found["1"])
    assert 0 < found["0"] <= 1
    assert np.isnan(compute_paired_intervals(of_classes(one), of_classes(other), by_condition)["1"]).all()


def test_swaps_without_a_number_do_not_make_a_difference_surer() -> None:
    """Each model finds the clean pixels of another image: half of the swaps leave a model without any to fall from."""
    pixels = np.full((2, 2, 1), 10)
    one = Ratio(np.array([[[10], [8]], [[0], [0]]]), pixels)
    other = Ratio(np.array([[[0], [0]], [[10], [2]]]), pixels)

    def retention(scores: np.ndarray) -> dict[str, np.ndarray]:
        return {"retention": summarise(scores, CONDITIONS)["retention"]}

    differences = np.array(enumerated(one, other, retention)["retention"])
    assert np.isnan(differences).tolist() == [False, True, True, False]
    least = np.mean(differences[~np.isnan(differences)] >= differences[0])
    assert permutation_test(one, other, retention, 400)["retention"] >= least


# Many tests at once


def test_holm_by_hand() -> None:
    found = adjust_p_values({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert list(found) == ["a", "b", "c", "d"]
    assert found == pytest.approx({"d": 4 * 0.005, "a": 3 * 0.01, "c": 2 * 0.03, "b": 0.06})  # b: no less than c


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0, 1))
def test_holm_rejects_as_the_step_down_procedure(values: list[float], alpha: float) -> None:
    """From the smallest on, each p value is held against alpha over the number of those left, until one is not below."""
    rejected: set[int] = set()
    for step, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        if (len(values) - step) * values[place] > alpha:
            break
        rejected.add(place)
    adjusted = adjust_p_values({str(place): value for place, value in enumerate(values)})
    if alpha < 1:
        assert {int(name) for name, value in adjusted.items() if value <= alpha} == rejected
    assert all(value <= adjusted[str(place)] <= 1 for place, value in enumerate(values))


def test_holm_of_what_does_not_exist() -> None:
    found = adjust_p_values({"a": math.nan, "b": 0.02, "c": 0.5})
    assert math.isnan(found.pop("a"))
    assert found == pytest.approx({"b": 0.04, "c": 0.5})
    assert adjust_p_values({}) == {}


def test_gaps_are_summed_without_sign_and_only_at_the_end() -> None:
    """ECE: overconfidence in one image makes up for the lack of it in another, in the same bin alone."""
    share = Ratio(np.array([[[6, -2]], [[-4, -2]]]), np.full((2, 1, 2), 10), gaps=True)
    assert point_estimate(share) == pytest.approx((2 + 4) / 20)
    np.testing.assert_allclose(jackknife(share), [[(4 + 2) / 10], [(6 + 2) / 10]])
    assert set(np.round(bootstrap(share, 50).ravel(), 9)) <= {0.6, 0.3, 0.8}
    assert point_estimate(sum_by_unit(share, ["a", "a"])) == point_estimate(share)
    mirrored = share._replace(numerator=-share.numerator)
    assert permutation_test(share, mirrored, lambda scores: {"ece": scores[..., 0]}, 100)["ece"] == 1.0
