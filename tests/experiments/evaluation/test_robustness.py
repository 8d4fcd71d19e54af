import math
from itertools import pairwise
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.evaluation.robustness import (
    CLEAN,
    compute_corrupted_mean,
    compute_corruption_means,
    compute_family_means,
    compute_severity_area,
    compute_summary_numbers,
    degradation_against_reference,
    divide,
    find_headline_places,
    find_ineffective,
    find_worst,
    generalisation_ability_measure,
    group_by_corruption,
    mean_performance_under_corruption,
    reliability_measure,
    select_clean_score,
    select_shift_scores,
    summarise,
)

CONDITIONS = [(CLEAN, 0), ("noise", 1), ("noise", 3), ("blur", 2)]
SCORES = np.array([0.8, 0.6, 0.2, 0.3])

FULL = [(CLEAN, 0), *((name, severity) for name in ("noise", "blur", "fog") for severity in range(1, 6))]


@st.composite
def sweeps(draw: st.DrawFn) -> tuple[np.ndarray, list[tuple[str, int]]]:
    """Scores and conditions: some severities of some corruptions, and perhaps real shifts, in any order."""
    cells = [(name, severity) for name in ("noise", "blur", "fog", "snow") for severity in range(1, 6)]
    shifts = [("light=dusk", 0), ("place=lab", 0)]
    chosen = draw(st.lists(st.sampled_from(cells + shifts), unique=True, max_size=12))
    conditions = draw(st.permutations([(CLEAN, 0), *chosen]))
    scores = draw(st.lists(st.floats(0.01, 1), min_size=len(conditions), max_size=len(conditions)))
    return np.array(scores), conditions


def severities_of(scores: np.ndarray, conditions: list[tuple[str, int]]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for (name, severity), value in zip(conditions, scores.tolist(), strict=True):
        if severity:
            found.setdefault(name, {})[severity] = value
    return found


def test_summary_by_hand() -> None:
    result = summarise(SCORES, CONDITIONS)
    assert result["clean_miou"] == pytest.approx(0.8)
    assert result["mean_corrupted_miou"] == pytest.approx((0.4 + 0.3) / 2)  # corruptions weigh the same
    assert result["retention"] == pytest.approx(0.35 / 0.8)
    assert result["mpc"] == pytest.approx((0.6 + 0.2 + 0.3) / 3)  # conditions weigh the same
    assert result["rpc"] == pytest.approx(1.1 / 3 / 0.8)
    noise = ((0.8 + 0.6) / 2 + (0.6 + 0.2) / 2 * 2) / 3  # 0 to 1, 1 to 3
    blur = (0.8 + 0.3) / 2
    assert result["severity_area"] == pytest.approx((noise + blur) / 2)
    assert compute_corruption_means(SCORES, CONDITIONS) == pytest.approx({"noise": 0.4, "blur": 0.3})


@given(sweeps())
def test_measures_with_plain_loops(sweep: tuple[np.ndarray, list[tuple[str, int]]]) -> None:
    scores, conditions = sweep
    table, clean = severities_of(scores, conditions), float(scores[conditions.index((CLEAN, 0))])
    result = summarise(scores, conditions)
    assert result["clean_miou"] == select_clean_score(scores, conditions) == clean
    assert list(group_by_corruption(conditions)) == list(table)
    if not table:
        assert all(np.isnan(value) for name, value in result.items() if name != "clean_miou")
        return
    means = {name: fmean(values.values()) for name, values in table.items()}
    corrupted, performance = fmean(means.values()), fmean([v for values in table.values() for v in values.values()])
    areas = []
    for values in table.values():
        points = [(0, clean), *sorted(values.items())]
        steps = pairwise(points)
        areas.append(sum((b - a) * (left + right) / 2 for (a, left), (b, right) in steps) / points[-1][0])
    assert compute_corruption_means(scores, conditions) == pytest.approx(means)
    assert result == pytest.approx(
        {
            "clean_miou": clean,
            "mean_corrupted_miou": corrupted,
            "retention": corrupted / clean,
            "mpc": performance,
            "rpc": performance / clean,
            "severity_area": fmean(areas),
        }
    )
    assert fmean(mean / clean for mean in means.values()) == pytest.approx(float(result["retention"]))  # mRR
    lowest = {
        level: min(values[level] for values in table.values() if level in values)
        for level in sorted({level for values in table.values() for level in values})
    }
    found = generalisation_ability_measure(scores, conditions)
    assert found == lowest
    assert list(found) == list(lowest)


@given(sweeps(), st.integers(1, 4))
def test_leading_axes_go_through_every_measure(sweep: tuple[np.ndarray, list[tuple[str, int]]], resamples: int) -> None:
    scores, conditions = sweep
    several = np.random.default_rng(0).permuted(np.tile(scores, (2, resamples, 1)), axis=-1)
    families = {"noise": "a", "blur": "a", "fog": "b"}

    def measures(values: np.ndarray) -> dict[str, np.ndarray]:
        gam = {f"gam.{level}": value for level, value in generalisation_ability_measure(values, conditions).items()}
        rem = reliability_measure(values, conditions, ["fog", "snow"])
        return compute_summary_numbers(values, conditions, families) | gam | {"rem": rem}

    for name, values in measures(several).items():
        assert values.shape == (2, resamples)
        for place in np.ndindex(2, resamples):
            np.testing.assert_allclose(values[place], measures(several[place])[name], rtol=1e-12)


@given(sweeps())
def test_the_order_of_conditions_changes_nothing(sweep: tuple[np.ndarray, list[tuple[str, int]]]) -> None:
    scores, conditions = sweep
    backward = summarise(scores[::-1], conditions[::-1])
    for name, value in summarise(scores, conditions).items():
        np.testing.assert_allclose(backward[name], value, rtol=1e-12)


@given(st.lists(st.floats(0.01, 1), min_size=16, max_size=16))
def test_both_means_agree_where_severities_are_equally_many(values: list[float]) -> None:
    scores = np.array(values)
    assert compute_corrupted_mean(scores, FULL) == pytest.approx(float(mean_performance_under_corruption(scores, FULL)))


def test_both_means_where_they_are_not() -> None:
    conditions = [(CLEAN, 0), *(("noise", severity) for severity in range(1, 6)), ("blur", 5)]
    scores = np.array([1, 0, 0, 0, 0, 0, 0.6])
    assert compute_corrupted_mean(scores, conditions) == pytest.approx(0.3)
    assert mean_performance_under_corruption(scores, conditions) == pytest.approx(0.1)


def test_without_corruptions() -> None:
    for conditions, scores in ([(CLEAN, 0)], [0.8]), ([(CLEAN, 0), ("light=dusk", 0)], [0.8, 0.1]):
        values = np.array(scores)
        result = summarise(values, conditions)
        assert result.pop("clean_miou") == 0.8
        assert all(np.isnan(value) for value in result.values())
        assert np.isnan(compute_corrupted_mean(np.stack([values] * 3), conditions)).tolist() == [True] * 3
        assert generalisation_ability_measure(values, conditions) == {}
        assert compute_family_means(values, conditions, {"noise": "noise"}) == {}
        assert np.isnan(reliability_measure(values, conditions, ["pgd"]))
    assert find_worst(np.array([0.8]), [(CLEAN, 0)]) is None


def test_a_network_that_finds_nothing_retains_nothing_that_has_a_number() -> None:
    result = summarise(np.zeros(4), CONDITIONS)
    assert np.isnan(result["retention"])
    assert np.isnan(result["rpc"])
    assert result["mean_corrupted_miou"] == result["mpc"] == result["severity_area"] == 0


@pytest.mark.filterwarnings("error")
def test_a_score_that_does_not_exist_leaves_no_number_that_hangs_on_it() -> None:
    conditions = [*CONDITIONS, ("fog", 3)]
    scores = np.array([0.8, 0.6, np.nan, 0.3, 0.5])
    result = summarise(scores, conditions)
    assert result.pop("clean_miou") == 0.8
    assert all(np.isnan(value) for value in result.values())
    means = compute_corruption_means(scores, conditions)
    assert np.isnan(means["noise"])
    assert (means["blur"], means["fog"]) == (0.3, 0.5)
    found = generalisation_ability_measure(scores, conditions)
    assert (found[1], found[2]) == (0.6, 0.3)
    assert np.isnan(found[3])
    assert conditions[find_worst(scores, conditions)] == ("blur", 2)


def test_shifts_stand_beside_the_corruptions() -> None:
    conditions = [(CLEAN, 0), ("light=dusk", 0), *CONDITIONS[1:]]
    scores = np.array([0.8, 0.1, 0.6, 0.2, 0.3])
    assert select_shift_scores(scores, conditions) == {"light=dusk": 0.1}
    assert summarise(scores, conditions) == summarise(SCORES, CONDITIONS)
    assert generalisation_ability_measure(scores, conditions) == generalisation_ability_measure(SCORES, CONDITIONS)
    assert select_shift_scores(SCORES, CONDITIONS) == {}


def test_families_weigh_their_corruptions_alike() -> None:
    conditions = [(CLEAN, 0), ("shot", 1), ("shot", 2), ("shot", 3), ("gaussian", 1), ("blur", 1), ("haze", 1)]
    scores = np.array([0.9, 0.1, 0.2, 0.3, 0.6, 0.5, 0.7])
    found = compute_family_means(
        scores, conditions, {"shot": "noise", "gaussian": "noise", "blur": "blur", "snow": "weather"}
    )
    assert found == pytest.approx({"noise": (0.2 + 0.6) / 2, "blur": 0.5})


@pytest.mark.parametrize(
    ("severities", "scores", "area"),
    [
        ([1, 2, 3, 4, 5], [0.8] * 5, 0.8),
        ([1, 2, 3, 4, 5], [0.8, 0.6, 0.4, 0.2, 0.0], (0.8 + 0.8 + 0.7 * 2 + 0.5 * 2 + 0.3 * 2 + 0.1 * 2) / 10),
        ([5], [0.0], 0.4),
        ([5, 2], [0.2, 0.6], ((0.8 + 0.6) / 2 * 2 + (0.6 + 0.2) / 2 * 3) / 5),
        ([3], [0.2], 0.5),  # the axis ends at the severest that was swept
    ],
)
def test_severity_area_where_severities_are_missing(severities: list[int], scores: list[float], area: float) -> None:
    conditions = [(CLEAN, 0), *(("noise", severity) for severity in severities)]
    assert compute_severity_area(np.array([0.8, *scores]), conditions) == pytest.approx(area)


def test_worst_is_never_clean() -> None:
    assert CONDITIONS[find_worst(SCORES, CONDITIONS)] == ("noise", 3)
    assert CONDITIONS[find_worst(np.array([0.1, 0.6, 0.4, 0.3]), CONDITIONS)] == ("blur", 2)
    assert find_worst(np.array([0.1, np.nan, np.nan, np.nan]), CONDITIONS) is None
    assert find_worst(np.array([0.5, 0.9]), [(CLEAN, 0), ("light=dusk", 0)]) == 1


def test_reliability_is_the_lowest_under_attack() -> None:
    conditions = [(CLEAN, 0), ("pgd", 1), ("pgd", 3), ("segpgd", 1), ("noise", 5)]
    scores = np.array([[0.8, 0.5, 0.2, 0.3, 0.1], [0.7, 0.5, 0.4, 0.3, 0.0]])
    np.testing.assert_array_equal(reliability_measure(scores, conditions, ["pgd", "segpgd", "cospgd"]), [0.2, 0.3])
    np.testing.assert_array_equal(reliability_measure(scores, conditions, ["pgd"]), [0.2, 0.4])
    assert np.isnan(reliability_measure(scores, conditions, [])).all()


@pytest.mark.filterwarnings("error")
def test_ratio_exists_where_there_is_something_to_divide_by() -> None:
    found = divide(np.array([1.0, 1.0, 1.0, np.nan, 1.0, 0.0]), np.array([2.0, 0.0, -1.0, 1.0, np.nan, 4.0]))
    np.testing.assert_array_equal(found, [0.5, np.nan, np.nan, np.nan, np.nan, 0])
    assert divide(np.array(3.0), np.array(4.0)) == 0.75


def test_numbers_by_dotted_name() -> None:
    conditions = [*CONDITIONS, ("light=dusk", 0)]
    found = compute_summary_numbers(np.append(SCORES, 0.1), conditions, {"noise": "grain", "blur": "lens"})
    summary = {name: float(value) for name, value in summarise(SCORES, CONDITIONS).items()}
    dotted = {"families.grain": 0.4, "families.lens": 0.3, "corruptions.noise": 0.4, "corruptions.blur": 0.3}
    assert found == pytest.approx(summary | dotted | {"shifts.light=dusk": 0.1})


def test_degradation_by_hand() -> None:
    """Sums over severities of what is lost, and of what is lost since clean."""
    model = {"noise": np.array([0.6, 0.2]), "blur": np.array([0.5])}
    reference = {"noise": np.array([0.5, 0.1]), "blur": np.array([0.2])}
    found = degradation_against_reference(0.9, model, 0.7, reference)
    cd = {"noise": (0.4 + 0.8) / (0.5 + 0.9), "blur": 0.5 / 0.8}
    rcd = {"noise": (0.3 + 0.7) / (0.2 + 0.6), "blur": 0.4 / 0.5}
    assert found["cd"] == pytest.approx(cd)
    assert found["rcd"] == pytest.approx(rcd)
    assert found["mcd"] == pytest.approx(fmean(cd.values()))
    assert found["mrcd"] == pytest.approx(fmean(rcd.values()))


@given(
    st.lists(st.lists(st.floats(0, 0.95), min_size=5, max_size=5), min_size=4, max_size=4),
    st.floats(0.96, 1),
    st.floats(0.96, 1),
)
def test_degradation_with_plain_loops(drawn: list[list[float]], clean: float, other_clean: float) -> None:
    model, reference = dict(enumerate(drawn[:2])), dict(enumerate(drawn[2:]))
    found = degradation_against_reference(
        clean,
        {str(name): np.array(values) for name, values in model.items()},
        other_clean,
        {str(name): np.array(values) for name, values in reference.items()},
    )
    for kind, start, other_start in (("cd", 1.0, 1.0), ("rcd", clean, other_clean)):
        lost = [sum(start - value for value in model[name]) for name in model]
        other = [sum(other_start - value for value in reference[name]) for name in model]
        ratios = [one / two for one, two in zip(lost, other, strict=True)]
        assert list(found[kind].values()) == pytest.approx(ratios)
        assert found[f"m{kind}"] == pytest.approx(fmean(ratios))
        assert found[f"{kind}_of_sums"] == pytest.approx(sum(lost) / sum(other))


def test_means_over_severities_do_as_well_as_the_severities() -> None:
    random = np.random.default_rng(0)
    model, other = ({name: random.random(5) / 2 for name in ("noise", "blur")} for _ in range(2))
    means, other_means = ({name: np.array(part.mean()) for name, part in parts.items()} for parts in (model, other))
    one, two = (
        degradation_against_reference(0.8, model, 0.7, other),
        degradation_against_reference(0.8, means, 0.7, other_means),
    )
    for name in ("mcd", "mrcd", "cd_of_sums", "rcd_of_sums", "cd", "rcd"):
        assert one[name] == pytest.approx(two[name])


def test_the_reference_against_itself_is_one() -> None:
    scores = {"noise": np.array([0.3, 0.1]), "blur": np.array([0.6])}
    found = degradation_against_reference(0.8, scores, 0.8, scores)
    assert found.pop("cd") == found.pop("rcd") == {"noise": 1, "blur": 1}
    assert set(found.values()) == {1}


def test_mean_of_ratios_and_ratio_of_sums_rank_differently() -> None:
    """The reference loses little in blur, so the mean of ratios weighs what is lost there ten times as much."""
    reference = {"noise": np.array([0.0]), "blur": np.array([0.9])}
    one = degradation_against_reference(1.0, {"noise": np.array([0.2]), "blur": np.array([0.8])}, 1.0, reference)
    other = degradation_against_reference(1.0, {"noise": np.array([0.0]), "blur": np.array([0.9])}, 1.0, reference)
    assert (one["mcd"], one["cd_of_sums"]) == pytest.approx(((0.8 + 2) / 2, (0.8 + 0.2) / 1.1))
    assert other["mcd"] == pytest.approx(1)
    assert other["cd_of_sums"] == pytest.approx(1)
    assert one["mcd"] > other["mcd"]
    assert one["cd_of_sums"] < other["cd_of_sums"]
    assert (one["mrcd"], one["rcd_of_sums"]) == pytest.approx((one["mcd"], one["cd_of_sums"]))  # both are 1 when clean


@pytest.mark.filterwarnings("error")
def test_a_reference_that_does_not_fall_gives_no_ratio() -> None:
    found = degradation_against_reference(
        0.8,
        {"noise": np.array([0.5]), "blur": np.array([0.4])},
        0.7,
        {"noise": np.array([0.7]), "blur": np.array([0.3])},
    )
    assert math.isnan(found["rcd"]["noise"])
    assert found["rcd"]["blur"] == pytest.approx(1)
    assert math.isnan(found["mrcd"])
    assert found["rcd_of_sums"] == pytest.approx((0.3 + 0.4) / (0 + 0.4))
    assert found["cd"] == pytest.approx({"noise": 0.5 / 0.3, "blur": 0.6 / 0.7})


def test_corruptions_that_did_nothing_enter_no_mean() -> None:
    conditions = [("clean", 0), ("idle", 1), ("idle", 2), ("weak", 1), ("weak", 2)]
    assert find_ineffective(conditions, [0, 0, 0, 0, 3]) == ["idle", "weak at severity 1"]
    kinds = ["clean", *["corruption"] * 4]
    assert find_headline_places(conditions, ["idle", "weak at severity 1"], kinds) == [0, 4]
    assert find_ineffective(conditions, [0, 1, 1, 2, 3]) == []
