import math
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from experiments.evaluation.scores.probabilities import calibration_error, compute_calibration_gaps, risk_coverage_area
from experiments.evaluation.scores.ratios import compute_score
from lightning_modules.metrics.fixed_point import (
    CALIBRATION_BINS,
    LEAST_ODDS_EXPONENT,
    ODDS_BINS,
    ODDS_PER_OCTAVE,
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


def of_odds(odds: list[float], correct: list[bool]) -> Counts:
    """Counts of an image of two classes with these odds against its predictions, at most 1, which are all class 0."""
    logits = torch.zeros(1, 2, 1, len(odds))
    logits[0, 1, 0] = torch.tensor(odds, dtype=torch.float64).log().float()
    mask = torch.tensor([[[0 if right else 1 for right in correct]]])
    return count_reliability(logits, torch.zeros_like(mask), mask)


def area_by_sorting(confidence: np.ndarray, wrong: np.ndarray) -> float:
    """Mean over k of the error rate of the k most confident predictions."""
    order = np.argsort(-confidence, kind="stable")
    return float(np.mean([wrong[order][:k].mean() for k in range(1, len(order) + 1)]))


def same(one: Counts, other: Counts) -> bool:
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
    losses, calibration, odds = count(logits, torch.zeros(1, *SIZE, dtype=torch.long))
    assert losses.tolist() == [[0, 0]]
    assert calibration[0, -1].tolist() == [pixels, pixels, pixels * UNIT]
    assert odds[0].tolist() == [pixels, pixels]
    losses, calibration, odds = count(logits, torch.ones(1, *SIZE, dtype=torch.long))
    assert losses.tolist() == [[200 * UNIT * pixels, 2 * UNIT * pixels]]
    assert error(calibration) == 1
    assert odds[0].tolist() == [pixels, 0]


@given(st.integers(2, 255), st.floats(-31, 7), st.booleans())
def test_each_bin_holds_a_quarter_of_the_odds_between_two_powers_of_two(
    classes: int, exponent: float, correct: bool
) -> None:
    """The bin is that of the odds in double precision, unless the rounding of their sum decides."""
    behind = math.log(max(1, 2**exponent / (classes - 1))) - exponent * math.log(2) + math.log(classes - 1)
    logits = torch.zeros(1, classes, 1, 1)
    logits[:, 1:] = -behind
    odds = (classes - 1) * math.exp(float(logits[0, 1]))
    mantissa, octave = math.frexp(odds)
    quarter = (2 * mantissa - 1) * ODDS_PER_OCTAVE
    doubt = quarter % 1
    if min(doubt, 1 - doubt) > 1e-3:
        wanted = (octave - 1 - LEAST_ODDS_EXPONENT) * ODDS_PER_OCTAVE + int(quarter)
        found = count_reliability(logits, torch.zeros(1, 1, 1).long(), torch.full((1, 1, 1), 0 if correct else 1))[2]
        assert found[wanted].tolist() == [1, correct]
        assert found[:, 0].sum() == 1


@pytest.mark.parametrize("classes", [2, 19, 150, 255])
def test_equal_odds_tie_whichever_class_is_predicted(classes: int) -> None:
    """Of many classes with a small chance each, none may be lost beside the 1 of the predicted one."""
    behind = 17.5  # nats: less than half of the last bit of 1
    predicted = torch.arange(classes)[None, None]
    logits = torch.full((1, classes, 1, classes), -behind).scatter(1, predicted[:, None], 0.0)
    odds = count_reliability(logits, predicted, predicted)[2]
    wanted = math.floor((math.log2(classes - 1) - behind / math.log(2) - LEAST_ODDS_EXPONENT) * ODDS_PER_OCTAVE)
    (place,) = odds[:, 0].nonzero().flatten().tolist()
    assert abs(place - max(0, wanted)) <= 1


@settings(deadline=None)
@given(SEEDS, st.integers(1, 40))
def test_area_of_predictions_that_all_differ(seed: int, pixels: int) -> None:
    """Each in a bin of its own: the area is that of the sorted predictions."""
    random = np.random.default_rng(seed)
    places = random.permutation(80)[:pixels]
    odds = [2.0 ** (place // 4 - 20) * (1.125 + 0.25 * (place % 4)) for place in places]
    correct = random.random(pixels) < 0.6
    found = of_odds(odds, correct.tolist())[2].numpy()
    assert (found[:, 0] <= 1).all()
    assert risk_coverage_area(found) == pytest.approx(area_by_sorting(-np.array(odds), ~correct), abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([2.0**-20, 2.0**-3, 0.8, 1.0]), st.booleans()), min_size=1, max_size=6))
def test_area_of_ties_is_the_mean_over_their_orders(pixels: list[tuple[float, bool]]) -> None:
    areas = []
    for order in permutations(range(len(pixels))):
        odds, correct = np.array([pixels[place] for place in order]).T
        areas.append(area_by_sorting(-odds, correct == 0))
    found = of_odds(*map(list, zip(*pixels, strict=True)))[2].numpy()
    assert risk_coverage_area(found) == pytest.approx(np.mean(areas), abs=1e-12)


@pytest.mark.parametrize(("scale", "flattened"), [(1.0, 1.0), (3.0, 1.0), (6.0, 3.0), (15.0, 4.0)])
def test_area_of_many_pixels_is_close_to_that_of_the_sorted_ones(scale: float, flattened: float) -> None:
    """Bins keep the order of the odds but within a factor of 1.25: about 0.2 % of the area, tied as if at random.

    Labels are drawn from the softmax of the logits divided by `flattened`: above 1 the network is too sure. The area
    can never leave what the best and the worst order within each bin would give.
    """
    random = np.random.default_rng(0)
    logits = torch.from_numpy(random.normal(0, scale, (1, 5, 200, 300)).astype(np.float32))
    truth = chances(logits / flattened)[0].cumsum(0) < random.random((200, 300))
    mask = torch.from_numpy(truth.sum(0).clip(0, 4))[None]
    chance = chances(logits)
    wrong = (chance.argmax(1) != mask.numpy()).ravel()
    rates = wrong[np.argsort(-chance.max(1).ravel(), kind="stable")].cumsum() / np.arange(1, wrong.size + 1)
    odds = count(logits, mask)[2].numpy()
    assert risk_coverage_area(odds) == pytest.approx(rates.mean(), rel=0.004)
    best, worst = (
        np.concatenate([np.repeat(order, (n - right, right)[:: 1 if order[0] else -1]) for n, right in odds.tolist()])
        for order in ((0, 1), (1, 0))
    )
    low, high = ((order.cumsum() / np.arange(1, order.size + 1)).mean() for order in (best, worst))
    assert low - 1e-6 <= rates.mean() <= high + 1e-6


@given(SEEDS, CLASSES)
def test_ignored_pixels_nowhere_count(seed: int, classes: int) -> None:
    logits, mask = draw(seed, classes, ignored=0.4)
    ignored = (mask == IGNORED)[:, None].expand_as(logits)
    random = np.random.default_rng(seed)
    strange = torch.from_numpy(random.choice([0.0, 1e4, -np.inf, np.inf, np.nan], logits.shape).astype(np.float32))
    assert same(count(logits, mask), count(torch.where(ignored, strange, logits), mask))
    pixels, correct = (mask != IGNORED).sum(), (logits.argmax(1) == mask).sum()
    _, calibration, odds = count(logits, mask)
    assert calibration[..., :2].sum((0, 1)).tolist() == odds.sum(0).tolist() == [pixels, correct]


@pytest.mark.parametrize("outside", [IGNORED, 4, -1])
def test_nothing_counted(outside: int) -> None:
    logits, mask = draw(0, 4)
    losses, calibration, odds = count(logits, torch.full_like(mask, outside))
    assert losses.shape == (3, 2)
    assert calibration.shape == (3, CALIBRATION_BINS, 3)
    assert odds.shape == (ODDS_BINS, 2)
    assert not any(part.any() for part in (losses, calibration, odds))


@given(SEEDS, CLASSES, st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_a_network_that_diverged_still_has_finite_counts(seed: int, classes: int, dtype: torch.dtype) -> None:
    random = np.random.default_rng(seed)
    drawn = random.choice([0.0, 1e4, -1e4, 3e38, np.inf, -np.inf, np.nan], (2, classes, *SIZE))
    logits, mask = torch.from_numpy(drawn).to(dtype), draw(seed, classes, images=2)[1]
    losses, calibration, odds = count(logits, mask)
    pixels, largest = math.prod(SIZE), torch.tensor([LARGEST_LOSS, 2.0]) * UNIT
    assert (losses >= 0).all()
    assert (losses <= pixels * largest).all()
    assert calibration[..., 0].sum() == odds[:, 0].sum() == 2 * pixels
    assert calibration[..., 1].sum() == odds[:, 1].sum()
    assert (calibration >= 0).all()
    assert (calibration[..., 2] <= calibration[..., 0] * UNIT).all()


@pytest.mark.parametrize("strange", [[math.nan] * 3, [1.0, math.nan, 2.0], [1.0, math.inf, 2.0], [-math.inf] * 3])
def test_what_is_no_number_is_the_largest_loss_and_no_confidence(strange: list[float]) -> None:
    logits = torch.tensor(strange).view(1, 3, 1, 1).expand(1, 3, *SIZE)
    pixels = math.prod(SIZE)
    losses, calibration, odds = count(logits, torch.full((1, *SIZE), 2))
    assert losses.tolist() == [[int(LARGEST_LOSS) * UNIT * pixels, 2 * UNIT * pixels]]
    assert calibration[0, 0].tolist() == [pixels, 0, 0]
    assert odds[-1].tolist() == [pixels, 0]


@given(SEEDS)
def test_a_class_that_is_ruled_out_changes_nothing(seed: int) -> None:
    logits, mask = draw(seed, 3)
    assert same(count(logits, mask), count(torch.nn.functional.pad(logits, (0, 0, 0, 0, 0, 1), value=-math.inf), mask))


@given(SEEDS, CLASSES, st.permutations(range(4)))
def test_any_batches_in_any_order_add_up_to_the_same(seed: int, classes: int, order: list[int]) -> None:
    logits, mask = draw(seed, classes, images=4, ignored=0.2)
    losses, calibration, odds = count(logits, mask)
    shuffled = count(logits[order], mask[order])
    assert same((losses[order], calibration[order], odds), shuffled)
    alone = [count(logits[k : k + 1], mask[k : k + 1]) for k in range(4)]
    summed = (
        torch.cat([part[0] for part in alone]),
        torch.cat([part[1] for part in alone]),
        sum(part[2] for part in alone),
    )
    assert same((losses, calibration, odds), summed)


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
    assert (one[2].sum(0) == other[2].sum(0)).all()
    assert error(one[1]) == pytest.approx(error(other[1]), abs=2 / UNIT)
    assert risk_coverage_area(one[2].numpy()) == pytest.approx(risk_coverage_area(other[2].numpy()), rel=1e-2)
