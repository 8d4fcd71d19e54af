import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score, roc_curve

from experiments.evaluation.scores.curves import (
    average_precision_of_right,
    average_precision_of_wrong,
    false_positive_rate,
    risk_coverage_area,
    roc_area,
)
from experiments.evaluation.scores.probabilities import calibration_error, compute_calibration_gaps
from experiments.evaluation.scores.ratios import compute_score
from lightning_modules.metrics.fixed_point import (
    CALIBRATION_BINS,
    LEAST_LOG_ODDS_EXPONENT,
    LOG_ODDS_BINS,
    LOG_ODDS_PER_OCTAVE,
    UNIT,
)
from lightning_modules.metrics.reliability import LARGEST_LOSS, count_reliability

IGNORED = 255
SIZE = (7, 9)
ROUNDING = 0.5 / UNIT  # of one pixel's loss or confidence to fixed point
FLOAT = 4e-6  # what a few operations in 32 bits add to that, for logits below 40

SEEDS = st.integers(0, 10**6)
CLASSES = st.integers(2, 6)
SCALES = st.sampled_from([0.1, 1.0, 3.0, 8.0])
IGNORING = st.sampled_from([0.0, 0.3])

Counts = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def draw(
    seed: int, classes: int, scale: float = 2.0, images: int = 3, ignored: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and a mask."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, scale, (images, classes, *SIZE)).astype(np.float32)
    mask = random.integers(0, classes, (images, *SIZE))
    mask[random.random(mask.shape) < ignored] = IGNORED
    mask[:, 0, 0] = 0  # at least one pixel counts
    return torch.from_numpy(logits), torch.from_numpy(mask)


def count(logits: torch.Tensor, mask: torch.Tensor) -> Counts:
    return count_reliability(logits, logits.argmax(1), mask)


def error(calibration: torch.Tensor) -> float:
    """ECE of counts (..., 15, 3), summed over what leads."""
    summed = calibration.reshape(-1, CALIBRATION_BINS, 3).sum(0).numpy()
    return float(compute_score(calibration_error(compute_calibration_gaps(summed), summed[:, 0].sum())))


def chances(logits: torch.Tensor) -> np.ndarray:
    """Softmax (B, K, H, W) in double precision."""
    wide = logits.double().numpy()
    powers = np.exp(wide - wide.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def of_log_odds(log_odds: Sequence[float], correct: Sequence[bool]) -> Counts:
    """Counts of an image of two classes with these log odds of its predictions, from 0 on, which are all class 0."""
    logits = torch.zeros(1, 2, 1, len(log_odds))
    logits[0, 1, 0] = -torch.tensor(log_odds, dtype=torch.float32)
    mask = torch.tensor([[[0 if right else 1 for right in correct]]])
    return count_reliability(logits, torch.zeros_like(mask), mask)


def find_bin(above: float) -> tuple[int, float]:
    """The bin of log odds above those of equal chances, and how far within it they lie, from 0 to 1."""
    mantissa, octave = math.frexp(above)
    step = (2 * mantissa - 1) * LOG_ODDS_PER_OCTAVE
    place = (octave - 1 - LEAST_LOG_ODDS_EXPONENT) * LOG_ODDS_PER_OCTAVE + int(step)
    return LOG_ODDS_BINS - 1 - min(max(place, 0), LOG_ODDS_BINS - 1), step % 1


def area_by_sorting(confidence: np.ndarray, wrong: np.ndarray) -> float:
    """Mean over k of the error rate of the k most confident predictions."""
    order = np.argsort(-confidence, kind="stable")
    return float(np.mean([wrong[order][:k].mean() for k in range(1, len(order) + 1)]))


def same(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> bool:
    return all(torch.equal(left, right) for left, right in zip(one, other, strict=True))


@settings(deadline=None, max_examples=50)
@given(SEEDS, CLASSES, st.sampled_from([0.1, 1.0, 4.0]), IGNORING)
def test_losses_are_those_of_scikit_learn_and_of_their_definition(
    seed: int, classes: int, scale: float, ignored: float
) -> None:
    logits, mask = draw(seed, classes, scale, ignored=ignored)
    losses = count(logits, mask)[0]
    assert losses.dtype == torch.int64
    found = losses.numpy() / UNIT
    for image, chance in enumerate(chances(logits)):
        counted = mask[image].numpy() != IGNORED
        rows, true = chance[:, counted].T, mask[image].numpy()[counted]
        pixels = len(true)
        nll = log_loss(true, rows, labels=range(classes), normalize=False)
        brier = sum(((row - np.eye(classes)[label]) ** 2).sum() for row, label in zip(rows, true, strict=True))
        assert found[image] == pytest.approx([nll, brier], rel=0, abs=pixels * (ROUNDING + FLOAT))


@given(SEEDS, CLASSES, st.sampled_from([30.0, 1000.0]))
def test_large_losses(seed: int, classes: int, scale: float) -> None:
    """Beyond what a softmax in double precision can tell from 0."""
    logits, mask = draw(seed, classes, scale)
    wide = logits.double().numpy()
    true = np.take_along_axis(wide, mask.numpy()[:, None], 1)[:, 0]
    nll = np.logaddexp.reduce(wide, axis=1) - true
    assert nll.max() < LARGEST_LOSS
    pixels = math.prod(SIZE)
    assert count(logits, mask)[0][:, 0].numpy() / UNIT == pytest.approx(
        nll.sum((1, 2)), rel=1e-6, abs=pixels * ROUNDING
    )


@settings(deadline=None)
@given(SEEDS, CLASSES, SCALES)
def test_calibration_by_hand(seed: int, classes: int, scale: float) -> None:
    """Fifteen bins (lo, hi]; pixels so close to an edge that rounding decides are left out."""
    logits, mask = draw(seed, classes, scale)
    chance = chances(logits)
    confidence, predicted = chance.max(1), chance.argmax(1)
    edges = np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS
    mask[torch.from_numpy(np.abs(confidence[..., None] - edges).min(-1) < 2 * (ROUNDING + FLOAT))] = IGNORED
    counted = mask.numpy() != IGNORED
    sure, right = confidence[counted], (predicted == mask.numpy())[counted]
    by_image = count(logits, mask)[1]
    assert by_image.shape == (len(logits), CALIBRATION_BINS, 3)
    alone = [count(logits[k : k + 1], mask[k : k + 1])[1] for k in range(len(logits))]
    assert torch.equal(by_image, torch.cat(alone))
    calibration = by_image.sum(0)
    ece = 0.0
    for place, (pixels, correct, total) in enumerate(calibration.tolist()):
        inside = (sure > place / CALIBRATION_BINS) & (sure <= (place + 1) / CALIBRATION_BINS)
        assert (pixels, correct) == (inside.sum(), right[inside].sum())
        assert total / UNIT == pytest.approx(sure[inside].sum(), abs=pixels * (ROUNDING + FLOAT))
        if pixels:
            ece += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert error(calibration) == pytest.approx(ece, abs=ROUNDING + FLOAT)


@pytest.mark.parametrize("classes", [3, 5, 15])
def test_a_confidence_on_an_edge_belongs_to_the_bin_below(classes: int) -> None:
    """Equal logits: the confidence 1 / K is an edge of the fifteen bins."""
    calibration = count(torch.zeros(1, classes, *SIZE), torch.zeros(1, *SIZE, dtype=torch.long))[1][0]
    assert calibration[:, 0].nonzero().tolist() == [[CALIBRATION_BINS // classes - 1]]


def test_a_network_that_is_entirely_sure() -> None:
    logits = torch.tensor([0.0, -200.0]).view(1, 2, 1, 1).expand(1, 2, *SIZE)
    pixels = math.prod(SIZE)
    losses, calibration, log_odds = count(logits, torch.zeros(1, *SIZE, dtype=torch.long))
    assert losses.tolist() == [[0, 0]]
    assert calibration[0, -1].tolist() == [pixels, pixels, pixels * UNIT]
    assert log_odds[0, find_bin(200.0)[0]].tolist() == [pixels, pixels]
    losses, calibration, log_odds = count(logits, torch.ones(1, *SIZE, dtype=torch.long))
    assert losses.tolist() == [[200 * UNIT * pixels, 2 * UNIT * pixels]]
    assert error(calibration) == 1
    assert log_odds[0, find_bin(200.0)[0]].tolist() == [pixels, 0]


@given(st.integers(2, 255), st.floats(-11.9, 15.9), st.booleans())
def test_each_bin_holds_a_sixteenth_of_the_log_odds_between_two_powers_of_two(
    classes: int, exponent: float, correct: bool
) -> None:
    """The bin is that of the log odds in double precision, unless the rounding of their parts decides."""
    logits = torch.zeros(1, classes, 1, 1)
    logits[:, 1:] = -(2.0**exponent)
    above = -float(logits[0, 1])  # the log odds are those less the logarithm of K - 1
    place, within = find_bin(above)
    doubt = 16 * 1e-6 * max(1, math.log(classes) / above)  # of a float32, in shares of a bin
    if doubt < within < 1 - doubt:
        found = count_reliability(logits, torch.zeros(1, 1, 1).long(), torch.full((1, 1, 1), 0 if correct else 1))[2]
        assert found[0, place].tolist() == [1, correct]
        assert found[..., 0].sum() == 1


@pytest.mark.parametrize("behind", [0.5, 17.5, 90.0, 3000.0])
@pytest.mark.parametrize("classes", [2, 19, 150, 255])
def test_equal_log_odds_tie_whichever_class_is_predicted(classes: int, behind: float) -> None:
    """Of many classes with a small chance each, none may be lost beside the 1 of the predicted one, or below a float32."""
    predicted = torch.arange(classes)[None, None]
    logits = torch.full((1, classes, 1, classes), -behind).scatter(1, predicted[:, None], 0.0)
    log_odds = count_reliability(logits, predicted, predicted)[2]
    (place,) = log_odds[0, :, 0].nonzero().flatten().tolist()
    assert abs(place - find_bin(behind)[0]) <= 1


@settings(deadline=None)
@given(SEEDS, st.integers(1, 40))
def test_area_of_predictions_that_all_differ(seed: int, pixels: int) -> None:
    """Each in a bin of its own: the area is that of the sorted predictions."""
    random = np.random.default_rng(seed)
    places = random.permutation(LOG_ODDS_BINS)[:pixels]
    log_odds = [2.0 ** (place // 16 - 12) * (1 + 1 / 32 + place % 16 / 16) for place in places]
    correct = random.random(pixels) < 0.6
    found = of_log_odds(log_odds, correct.tolist())[2].sum(0).numpy()
    assert (found[:, 0] <= 1).all()
    assert risk_coverage_area(found) == pytest.approx(area_by_sorting(np.array(log_odds), ~correct), abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 3.0, 20.0]), st.booleans()), min_size=1, max_size=6))
def test_area_of_ties_is_the_mean_over_their_orders(pixels: list[tuple[float, bool]]) -> None:
    areas = []
    for order in permutations(range(len(pixels))):
        log_odds, correct = np.array([pixels[place] for place in order]).T
        areas.append(area_by_sorting(log_odds, correct == 0))
    found = of_log_odds(*map(list, zip(*pixels, strict=True)))[2].sum(0).numpy()
    assert risk_coverage_area(found) == pytest.approx(np.mean(areas), abs=1e-12)


def sort_log_odds(logits: torch.Tensor) -> np.ndarray:
    """Log odds of the predicted class in double precision, for logits of any size."""
    wide = np.sort(logits.double().numpy(), axis=1)
    return (wide[:, -1] - np.logaddexp.reduce(wide[:, :-1], axis=1)).ravel()


CURVES = {
    "aurc": risk_coverage_area,
    "auroc": roc_area,
    "fpr95": false_positive_rate,
    "aupr_success": average_precision_of_right,
    "aupr_error": average_precision_of_wrong,
}


def score_pixels(log_odds: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """The same of single pixels, by scikit-learn and by sorting."""
    false, true, _ = roc_curve(right, log_odds, drop_intermediate=False)
    rates = (~right)[np.argsort(-log_odds, kind="stable")].cumsum() / np.arange(1, right.size + 1)
    return {
        "aurc": rates.mean(),
        "auroc": roc_auc_score(right, log_odds),
        "fpr95": false[np.searchsorted(true, 0.95)],
        "aupr_success": average_precision_score(right, log_odds),
        "aupr_error": average_precision_score(~right, -log_odds),
    }


@pytest.mark.parametrize("scale", [0.1, 1.0, 40.0, 1000.0])
@pytest.mark.parametrize(("classes", "flattened"), [(2, 1.0), (5, 1.0), (5, 3.0), (150, 1.0)])
def test_bins_tell_what_single_pixels_do_whatever_the_logits_are_multiplied_by(
    classes: int, flattened: float, scale: float
) -> None:
    """Bins keep the order of the log odds but within 1/16 of an octave: at most 0.4 % of a score, tied as if at random.

    Labels are drawn from the softmax of the logits divided by `flattened`, before they are multiplied.
    """
    random = np.random.default_rng(0)
    drawn = torch.from_numpy(random.normal(0, 3, (1, classes, 120, 200)).astype(np.float32))
    truth = chances(drawn / flattened)[0].cumsum(0) < random.random((120, 200))
    mask = torch.from_numpy(truth.sum(0).clip(0, classes - 1))[None]
    logits = drawn * scale
    right = (logits.argmax(1) == mask).numpy().ravel()
    found = count(logits, mask)[2].sum(0).numpy()
    for name, wanted in score_pixels(sort_log_odds(logits), right).items():
        # the rate at 95 % is that of a single pixel, one of some hundred wrong ones
        tolerance = {"abs": 0.005} if name == "fpr95" else {"rel": 0.004}
        assert float(CURVES[name](found)) == pytest.approx(wanted, **tolerance), name


def test_the_area_is_bounded_by_the_orders_within_bins() -> None:
    logits, _ = draw(0, 5, images=1)
    mask = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (1, *SIZE)))
    histogram = count(logits, mask)[2].sum(0).numpy()
    best, worst = (
        np.concatenate(
            [np.repeat(order, (n - right, right)[:: 1 if order[0] else -1]) for n, right in histogram.tolist()]
        )
        for order in ((0, 1), (1, 0))
    )
    low, high = ((order.cumsum() / np.arange(1, order.size + 1)).mean() for order in (best, worst))
    exact = score_pixels(sort_log_odds(logits), (logits.argmax(1) == mask).numpy().ravel())["aurc"]
    assert low - 1e-6 <= exact <= high + 1e-6
    assert low <= risk_coverage_area(histogram) <= high


@given(SEEDS, CLASSES)
def test_ignored_pixels_nowhere_count(seed: int, classes: int) -> None:
    logits, mask = draw(seed, classes, ignored=0.4)
    ignored = (mask == IGNORED)[:, None].expand_as(logits)
    random = np.random.default_rng(seed)
    strange = torch.from_numpy(random.choice([0.0, 1e4, -np.inf, np.inf, np.nan], logits.shape).astype(np.float32))
    assert same(count(logits, mask), count(torch.where(ignored, strange, logits), mask))
    pixels, correct = (mask != IGNORED).sum(), (logits.argmax(1) == mask).sum()
    _, calibration, log_odds = count(logits, mask)
    assert calibration[..., :2].sum((0, 1)).tolist() == log_odds.sum((0, 1)).tolist() == [pixels, correct]


@pytest.mark.parametrize("outside", [IGNORED, 4, -1])
def test_nothing_counted(outside: int) -> None:
    logits, mask = draw(0, 4)
    losses, calibration, log_odds = count(logits, torch.full_like(mask, outside))
    assert losses.shape == (3, 2)
    assert calibration.shape == (3, CALIBRATION_BINS, 3)
    assert log_odds.shape == (3, LOG_ODDS_BINS, 2)
    assert not any(part.any() for part in (losses, calibration, log_odds))


@given(SEEDS, CLASSES, st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_a_network_that_diverged_still_has_finite_counts(seed: int, classes: int, dtype: torch.dtype) -> None:
    random = np.random.default_rng(seed)
    drawn = random.choice([0.0, 1e4, -1e4, 3e38, np.inf, -np.inf, np.nan], (2, classes, *SIZE))
    logits, mask = torch.from_numpy(drawn).to(dtype), draw(seed, classes, images=2)[1]
    losses, calibration, log_odds = count(logits, mask)
    pixels, largest = math.prod(SIZE), torch.tensor([LARGEST_LOSS, 2.0]) * UNIT
    assert (losses >= 0).all()
    assert (losses <= pixels * largest).all()
    assert calibration[..., 0].sum() == log_odds[..., 0].sum() == 2 * pixels
    assert calibration[..., 1].sum() == log_odds[..., 1].sum()
    assert (calibration >= 0).all()
    assert (calibration[..., 2] <= calibration[..., 0] * UNIT).all()


@pytest.mark.parametrize("strange", [[math.nan] * 3, [1.0, math.nan, 2.0], [1.0, math.inf, 2.0], [-math.inf] * 3])
def test_what_is_no_number_is_the_largest_loss_and_no_confidence(strange: list[float]) -> None:
    logits = torch.tensor(strange).view(1, 3, 1, 1).expand(1, 3, *SIZE)
    pixels = math.prod(SIZE)
    losses, calibration, log_odds = count(logits, torch.full((1, *SIZE), 2))
    assert losses.tolist() == [[int(LARGEST_LOSS) * UNIT * pixels, 2 * UNIT * pixels]]
    assert calibration[0, 0].tolist() == [pixels, 0, 0]
    assert log_odds[0, -1].tolist() == [pixels, 0]


@given(SEEDS)
def test_a_class_that_is_ruled_out_changes_no_loss(seed: int) -> None:
    """But with it equal chances are other ones, and all log odds lie as much further from them."""
    logits, mask = draw(seed, 3)
    one, other = count(logits, mask), count(torch.nn.functional.pad(logits, (0, 0, 0, 0, 0, 1), value=-math.inf), mask)
    assert same(one[:2], other[:2])
    assert torch.equal(one[2].sum(1), other[2].sum(1))


@given(SEEDS, CLASSES, st.permutations(range(4)))
def test_any_batches_in_any_order_add_up_to_the_same(seed: int, classes: int, order: list[int]) -> None:
    logits, mask = draw(seed, classes, images=4, ignored=0.2)
    losses, calibration, log_odds = count(logits, mask)
    shuffled = count(logits[order], mask[order])
    assert same((losses[order], calibration[order], log_odds[order]), shuffled)
    alone = [count(logits[k : k + 1], mask[k : k + 1]) for k in range(4)]
    joined = (torch.cat(part) for part in zip(*alone, strict=True))
    assert same((losses, calibration, log_odds), tuple(joined))


@given(SEEDS, CLASSES, st.sampled_from([torch.float16, torch.bfloat16]))
def test_half_precision_is_widened(seed: int, classes: int, dtype: torch.dtype) -> None:
    logits, mask = draw(seed, classes)
    narrow = logits.to(dtype)
    assert same(count(narrow, mask), count(narrow.float(), mask))


def test_logits_are_left_as_they_are() -> None:
    logits, mask = draw(0, 4)
    before = logits.clone()
    count(logits, mask)
    assert torch.equal(logits, before)


@given(SEEDS, CLASSES, SCALES)
def test_the_memory_format_moves_no_more_than_sums_of_floats(seed: int, classes: int, scale: float) -> None:
    """The sum over classes may end in another last bit: at most a unit a pixel, and the pixels themselves stay."""
    logits, mask = draw(seed, classes, scale)
    one, other = count(logits, mask), count(logits.contiguous(memory_format=torch.channels_last), mask)
    pixels = math.prod(SIZE)
    assert ((one[0] - other[0]).abs() <= pixels).all()
    assert (one[1][:, :2].sum(0) == other[1][:, :2].sum(0)).all()
    assert (one[2].sum((0, 1)) == other[2].sum((0, 1))).all()
    assert error(one[1]) == pytest.approx(error(other[1]), abs=2 / UNIT)
    assert risk_coverage_area(one[2].sum(0).numpy()) == pytest.approx(
        risk_coverage_area(other[2].sum(0).numpy()), rel=1e-2
    )
