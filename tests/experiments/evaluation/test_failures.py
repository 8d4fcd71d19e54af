"""How well confidence tells wrong pixels: numbers of a record against its cells, intervals against simulated test sets."""

from pathlib import Path

import numpy as np
import pytest
from records import CONDITIONS, make_record
from scipy.stats import hmean

from experiments.evaluation.failures import (
    Estimate,
    bound_number,
    estimate_curve,
    estimate_pixel_scores,
    list_conditions,
    list_parts,
    summarise_pixel_scores,
)
from experiments.evaluation.images import Images
from experiments.evaluation.jackknife import FEWEST_UNITS, jackknife_interval
from experiments.evaluation.scores.known import find_curve_scores
from experiments.record_files.record_file import read_swept
from lightning_modules.metrics.fixed_point import IMAGE_LOG_ODDS_BINS, LOG_ODDS_BINS

RESULTS = Path(__file__).parents[3] / "experiments" / "results"
CURVES = {name: one for name, one in find_curve_scores().items() if one.follows_from(["log_odds"])}
PIXELS = 1500
AREAS = ("aurc", "auroc", "aupr_success", "aupr_error")


def draw_histograms(images: int, rng: np.random.Generator) -> np.ndarray:
    """Pixels and correct ones (N, bins, 2) of images that differ in how hard they are, and in how much is known of that."""
    width, ease = rng.lognormal(1, 0.4, (images, 1)), rng.lognormal(0, 0.5, (images, 1))
    log_odds = np.abs(rng.normal(0, width, (images, PIXELS)))
    right = rng.random(log_odds.shape) < 1 / (1 + np.exp(-log_odds * ease))
    octave = np.frexp(log_odds)
    place = (octave[1] - 1 + 12) * 16 + ((2 * octave[0] - 1) * 16).astype(int)
    place = LOG_ODDS_BINS - 1 - place.clip(0, LOG_ODDS_BINS - 1)
    found = np.zeros((images, LOG_ODDS_BINS, 2), np.int64)
    rows = np.broadcast_to(np.arange(images)[:, None], place.shape)
    np.add.at(found, (rows, place, 0), 1)
    np.add.at(found, (rows, place, 1), right)
    return found


def estimate(name: str, histograms: np.ndarray, units: list[str] | None = None) -> Estimate:
    """A score of one condition by narrow bins of all and wide ones of each image."""
    wide = histograms.reshape(len(histograms), IMAGE_LOG_ODDS_BINS, -1, 2).sum(2)[:, None]
    totals = {"log_odds": histograms.sum(0)[None], "image_log_odds": wide.sum(0)}
    images = Images([str(k) for k in range(len(wide))], {"image_log_odds": wide}, units)
    return estimate_curve(CURVES[name], totals, images)


@pytest.mark.parametrize("name", CURVES)
def test_wide_bins_of_images_change_a_score_as_much_as_narrow_ones(name: str) -> None:
    histograms = draw_histograms(60, np.random.default_rng(0))
    found = estimate(name, histograms)
    exact = CURVES[name].compute(histograms.sum(0) - histograms)
    assert found.values[0] == pytest.approx(float(CURVES[name].compute(histograms.sum(0))))
    assert found.left_out is not None
    left_out = found.left_out[:, 0]
    assert left_out.std() == pytest.approx(exact.std(), rel=0.15 if name == "fpr95" else 0.05)
    assert np.corrcoef(left_out, exact)[0, 1] > (0.9 if name == "fpr95" else 0.99)


@pytest.mark.parametrize("units", [None, ["a", "c", "b", "a", "c", "a"]])
@pytest.mark.parametrize("name", CURVES)
def test_units_are_left_out_whole(name: str, units: list[str] | None) -> None:
    histograms = draw_histograms(6, np.random.default_rng(1))
    found = estimate(name, histograms, units)
    owners = np.array(units or [str(k) for k in range(6)])
    wide = histograms.reshape(6, IMAGE_LOG_ODDS_BINS, -1, 2).sum(2)
    shift = CURVES[name].compute(histograms.sum(0)) - CURVES[name].compute(wide.sum(0))
    wanted = [CURVES[name].compute(wide[owners != one].sum(0)) + shift for one in np.unique(owners)]
    assert found.left_out is not None
    assert found.left_out[:, 0] == pytest.approx(wanted)


def test_intervals_hold_the_score_of_the_population_as_often_as_they_say() -> None:
    """In 200 test sets of 30 images 95 % is 190, give or take three standard deviations of 3.1."""
    rng = np.random.default_rng(0)
    population = draw_histograms(4000, rng)
    truth = {name: float(CURVES[name].compute(population.sum(0))) for name in CURVES}
    held = dict.fromkeys(CURVES, 0)
    for _ in range(200):
        drawn = population[rng.integers(0, len(population), 30)]
        for name in CURVES:
            one = estimate(name, drawn)
            assert one.left_out is not None
            low, high = jackknife_interval(float(one.values[0]), one.left_out[:, 0], "score")
            held[name] += low <= truth[name] <= high
    assert all(179 <= number <= 199 for number in held.values()), held


def test_numbers_of_a_record_are_those_of_its_cells(tmp_path: Path) -> None:
    record, images = read_swept(make_record(tmp_path / "a.json", images=FEWEST_UNITS + 5))
    assert list_parts(record) == {"clean": [0], "corrupted": [1, 2]}
    assert list_conditions(record) == {"clean": [0], "noise 1": [1], "noise 5": [2]}
    numbers = summarise_pixel_scores(
        record, estimate_pixel_scores(record, images), list_parts(record) | list_conditions(record)
    )
    names = ("miou", "ece", *CURVES, "bravo_semantic")
    assert {*numbers["clean"]} == {*names}
    for name in names:
        clean, one, five = (cell.scores[name] for cell in record.cells)
        mean = hmean([one, five]) if name == "bravo_semantic" else np.mean([one, five])
        found = [numbers[part][name].value for part in ("clean", "noise 1", "noise 5", "corrupted")]
        assert found == pytest.approx([clean, one, five, mean])
        low, high = numbers["corrupted"][name].low, numbers["corrupted"][name].high
        assert low is not None
        assert high is not None
        assert low < mean < high


def test_the_interval_of_the_miou_is_that_of_the_summary(tmp_path: Path) -> None:
    """One method for all: it differs by nothing from the one that every record states."""
    record, images = read_swept(make_record(tmp_path / "a.json", images=30, units=[f"p{k % 25}" for k in range(30)]))
    found = summarise_pixel_scores(record, estimate_pixel_scores(record, images), list_parts(record))["corrupted"][
        "miou"
    ]
    assert (found.low, found.high) == pytest.approx(record.summary.intervals["mean_corrupted_miou"].edges)


def test_conditions_of_another_kind_have_a_part_of_their_own(tmp_path: Path) -> None:
    entries = [
        {"corruption": name, "severity": severity, "kind": {"noise": "corruption", "sign": "attack"}.get(name, "clean")}
        for name, severity in (*CONDITIONS, ("sign", 1))
    ]
    path = make_record(tmp_path / "a.json", cells=[*CONDITIONS, ("sign", 1)], conditions=entries)
    record, images = read_swept(path)
    assert list_parts(record) == {"clean": [0], "corrupted": [1, 2], "attack": [3]}
    numbers = summarise_pixel_scores(record, estimate_pixel_scores(record, images), list_parts(record))
    assert numbers["attack"]["auroc"].value == pytest.approx(record.cells[3].scores["auroc"])
    assert numbers["attack"]["auroc"].low is None  # of so few images


def test_earlier_records_have_numbers_without_intervals() -> None:
    record, images = read_swept(RESULTS / "camvid/imagenet_c_middle/unet.json")
    estimates = estimate_pixel_scores(record, images)
    assert estimates["miou"].left_out is not None
    assert all(estimates[name].left_out is None for name in ("ece", *CURVES, "bravo_semantic"))
    stated = [cell.scores["aurc"] for cell in record.cells]
    assert estimates["aurc"].values == pytest.approx(stated)
    assert bound_number(estimates["auroc"], lambda scores: scores[..., 0], [0]).low is None


def test_differences_are_in_pairs(tmp_path: Path) -> None:
    """From a record of itself there is none, and from one of the same images the interval is that of differences."""
    (one, first), (other, second) = (
        read_swept(make_record(tmp_path / f"{seed}.json", seed=seed, images=30, noise=0.7 + 0.3 * seed))
        for seed in (0, 1)
    )
    left, right = estimate_pixel_scores(one, first), estimate_pixel_scores(other, second)
    parts = list_parts(one)
    same = summarise_pixel_scores(one, left, parts, left)["corrupted"]
    assert all((number.value, number.low) == (0, None) for number in same.values())  # nothing bears on it
    found = summarise_pixel_scores(other, right, parts, left)["corrupted"]
    for name in ("auroc", "miou", "bravo_semantic"):
        means = [summarise_pixel_scores(one, part, parts)["corrupted"][name].value for part in (left, right)]
        assert found[name].value == pytest.approx(means[1] - means[0])
    changes = [part["auroc"].left_out[:, [1, 2]].mean(1) for part in (left, right)]
    assert (found["auroc"].low, found["auroc"].high) == jackknife_interval(
        found["auroc"].value, changes[1] - changes[0]
    )


def test_frames_that_follow_each_other_are_left_out_in_blocks(tmp_path: Path) -> None:
    """As for the mIoU, whose interval every record states."""
    units, places = ["a"] * 40 + ["b"] * 40, [*range(40)] * 2
    record, images = read_swept(make_record(tmp_path / "a.json", images=80, units=units, places=places))
    estimates = estimate_pixel_scores(record, images)
    found = summarise_pixel_scores(record, estimates, list_parts(record))["corrupted"]["miou"]
    assert (found.low, found.high) == pytest.approx(record.summary.intervals["mean_corrupted_miou"].edges)
    assert images.blocks.length > 1
    histograms, one = images.counts["image_log_odds"], estimates["auroc"]
    wanted = CURVES["auroc"].compute(histograms.sum(0) - histograms[: images.blocks.length].sum(0))
    assert one.left_out is not None
    assert one.left_out[0] == pytest.approx(wanted + one.values - CURVES["auroc"].compute(histograms.sum(0)))
