import copy
import gc
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from lightning_modules.metrics.boundary import compute_boundary_reach, count_boundary, find_boundary_region
from lightning_modules.metrics.fixed_point import (
    CALIBRATION_BINS,
    IMAGE_LOG_ODDS_BINS,
    IMAGE_LOG_ODDS_GROUP,
    LOG_ODDS_BINS,
    UNIT,
)
from lightning_modules.metrics.reliability import count_reliability
from lightning_modules.metrics.sweep import SweepCounts

CLASSES = 3
SIZE = (40, 60)  # a reach of 1, and pixels that are near no contour
IGNORED = 255
SEEDS = st.integers(0, 10**6)

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def draw(seed: int, images: int = 3) -> Batch:
    """Logits that follow a mask of blocks, their argmax, and the mask."""
    random = np.random.default_rng(seed)
    mask = random.integers(0, CLASSES, (images, SIZE[0] // 10, SIZE[1] // 10)).repeat(10, 1).repeat(10, 2)
    mask[random.random(mask.shape) < 0.01] = IGNORED
    logits = random.normal(0, 0.5, (images, CLASSES, *SIZE)).astype(np.float32)
    logits += 2 * (mask[:, None] == np.arange(CLASSES)[:, None, None])
    drawn = torch.from_numpy(logits)
    return drawn, drawn.argmax(1), torch.from_numpy(mask)


def part(batch: Batch, images: slice | list[int]) -> Batch:
    logits, predicted, mask = batch
    return logits[images], predicted[images], mask[images]


def boundary_alone(predicted: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Boundary counts with nothing kept from a call before."""
    labels, reach = mask.to(torch.uint8), compute_boundary_reach(*SIZE)
    guessed = predicted.to(torch.uint8)
    region = find_boundary_region(guessed.masked_fill(labels == IGNORED, IGNORED), reach)
    return count_boundary(guessed, region, labels, find_boundary_region(labels, reach), CLASSES)


def sums(metric: SweepCounts) -> list[torch.Tensor]:
    return [state.clone() for state in metric.compute().values()]


def same(one: SweepCounts, other: SweepCounts) -> bool:
    return all(torch.equal(left, right) for left, right in zip(sums(one), sums(other), strict=True))


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_a_batch_counts_what_its_parts_count(seed: int) -> None:
    metric, batch = SweepCounts(CLASSES, 2), draw(seed)
    counts = metric.count(*batch, condition=1)
    logits, predicted, mask = batch
    for image in range(len(mask)):
        counted = mask[image] != IGNORED
        wanted = confusion_matrix(mask[image][counted], predicted[image][counted], labels=range(CLASSES))
        by_class = np.stack([wanted.diagonal(), wanted.sum(0), wanted.sum(1)], axis=-1)
        np.testing.assert_array_equal(counts["classes"][image], by_class)
    losses, calibration, log_odds = count_reliability(logits, predicted, mask)
    assert torch.equal(counts["boundary"], boundary_alone(predicted, mask))
    assert torch.equal(counts["losses"], losses)
    confusion, found_calibration, found_log_odds = metric.compute().values()
    assert confusion[1].sum() == (mask != IGNORED).sum()
    assert torch.equal(confusion[1].diagonal(), counts["classes"][..., 0].sum(0))
    assert torch.equal(found_calibration[1], calibration.sum(0))
    assert torch.equal(counts["gaps"], calibration[..., 2] - UNIT * calibration[..., 1])
    assert torch.equal(found_log_odds[1], log_odds.sum(0))
    wider = log_odds.view(len(mask), IMAGE_LOG_ODDS_BINS, IMAGE_LOG_ODDS_GROUP, 2).sum(2)
    assert torch.equal(counts["image_log_odds"], wider)
    assert not any(state[0].any() for state in metric.compute().values())


def test_shapes_and_whole_numbers() -> None:
    metric = SweepCounts(CLASSES, 4)
    counts = metric.count(*draw(0), condition=2)
    assert {name: tuple(part.shape) for name, part in counts.items()} == {
        "classes": (3, CLASSES, 3),
        "boundary": (3, CLASSES, 3),
        "losses": (3, 2),
        "gaps": (3, CALIBRATION_BINS),
        "image_log_odds": (3, IMAGE_LOG_ODDS_BINS, 2),
    }
    shapes = [(4, CLASSES, CLASSES), (4, CALIBRATION_BINS, 3), (4, LOG_ODDS_BINS, 2)]
    assert [tuple(state.shape) for state in metric.compute().values()] == shapes
    assert {tensor.dtype for tensor in (*counts.values(), *metric.compute().values())} == {torch.int64}
    assert tuple(f"{name}" for name in metric.sums) == ("confusion", "calibration", "log_odds")


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.permutations([(image, condition) for image in range(3) for condition in range(2)]))
def test_sums_do_not_depend_on_order_or_batches(seed: int, order: list[tuple[int, int]]) -> None:
    conditions = [draw(seed), draw(seed + 1)]
    together, apart = SweepCounts(CLASSES, 2), SweepCounts(CLASSES, 2)
    counts = [together.count(*batch, condition=place) for place, batch in enumerate(conditions)]
    for image, condition in order:
        alone = apart.count(*part(conditions[condition], slice(image, image + 1)), condition=condition)
        assert all(torch.equal(one[0], counts[condition][name][image]) for name, one in alone.items())
    assert same(together, apart)


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.lists(st.integers(0, 2), min_size=2, max_size=8))
def test_masks_that_change_between_conditions(seed: int, turns: list[int]) -> None:
    """Each mask comes back, as the very tensor or as another, and its contours are always its own."""
    metric = SweepCounts(CLASSES, len(turns))
    logits, predicted, _ = draw(seed)
    masks = [draw(seed + number)[2] for number in range(3)]
    for condition, turn in enumerate(turns):
        mask = masks[turn] if condition % 2 else masks[turn].clone()
        found = metric.count(logits, predicted, mask, condition)["boundary"]
        assert torch.equal(found, boundary_alone(predicted, masks[turn]))


def test_masks_in_the_same_memory_are_told_apart() -> None:
    """A view of what another batch left behind, and tensors that begin to live where one died."""
    metric = SweepCounts(CLASSES)
    buffer = torch.empty(3, *SIZE, dtype=torch.long)
    for seed in range(6):
        logits, predicted, mask = draw(seed)
        found = metric.count(logits, predicted, buffer.copy_(mask)[:], 0)["boundary"]
        assert torch.equal(found, boundary_alone(predicted, mask))
    for seed in range(6):
        logits, predicted, mask = draw(seed)
        found = metric.count(logits, predicted, mask, 0)["boundary"]
        assert torch.equal(found, boundary_alone(predicted, mask))
        del mask
        gc.collect()


def test_batches_of_another_size_in_turns() -> None:
    metric = SweepCounts(CLASSES)
    for seed, images in enumerate((3, 1, 2, 3)):
        logits, predicted, mask = draw(seed, images)
        cropped = [tensor[..., : SIZE[0] - seed, :] for tensor in (logits, predicted, mask)]
        counts = metric.count(*cropped, condition=0)
        assert counts["boundary"].shape == (images, CLASSES, 3)
        assert counts["classes"][..., 2].sum() == (cropped[2] != IGNORED).sum()


def test_in_inference_mode() -> None:
    metric, wanted = SweepCounts(CLASSES), SweepCounts(CLASSES)
    with torch.inference_mode():
        metric.count(*draw(0), condition=0)
        metric.count(*draw(1), condition=0)
    wanted.count(*draw(0), condition=0)
    wanted.count(*draw(1), condition=0)
    assert same(metric, wanted)


def test_reset_begins_anew() -> None:
    metric, fresh, batch = SweepCounts(CLASSES, 2), SweepCounts(CLASSES, 2), draw(0)
    metric.count(*draw(1), condition=0)
    metric.compute()
    metric.reset()
    assert not any(state.any() for state in (metric.confusion, metric.calibration, metric.log_odds))
    one, other = (counter.count(*batch, condition=1) for counter in (metric, fresh))
    assert all(torch.equal(part, other[name]) for name, part in one.items())
    assert same(metric, fresh)


def test_compute_follows_what_is_counted_after_it() -> None:
    metric, wanted = SweepCounts(CLASSES), SweepCounts(CLASSES)
    metric.count(*draw(0), condition=0)
    metric.compute()
    metric.count(*draw(1), condition=0)
    wanted.count(*draw(1), condition=0)
    wanted.count(*draw(0), condition=0)
    assert same(metric, wanted)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda metric: pickle.loads(pickle.dumps(metric))])
def test_a_copy_goes_on_by_itself(copied) -> None:
    metric, batch = SweepCounts(CLASSES), draw(0)
    metric.count(*batch, condition=0)
    before, twin = sums(metric), copied(metric)
    counts = twin.count(*draw(1), condition=0)
    assert all(torch.equal(left, right) for left, right in zip(before, sums(metric), strict=True))
    metric.count(*draw(1), condition=0)
    assert same(metric, twin)
    assert torch.equal(counts["boundary"], boundary_alone(*draw(1)[1:]))


def test_moved_to_another_device() -> None:
    metric = SweepCounts(CLASSES, 2)
    metric.count(*draw(0), condition=0)
    assert {state.device.type for state in metric.to("meta").compute().values()} == {"meta"}


def test_floats_of_another_precision_leave_the_counts_whole() -> None:
    """As `trainer.precision` does to the modules that hold a metric."""
    holder = torch.nn.ModuleList([SweepCounts(CLASSES)]).half()
    holder[0].count(*draw(0), condition=0)
    assert {state.dtype for state in holder[0].compute().values()} == {torch.int64}


def test_processes_add_up() -> None:
    """Two processes that counted the same: their sums are twice as large, and afterwards each has its own again."""
    metric = SweepCounts(CLASSES, 2)
    metric.count(*draw(0), condition=1)
    own = sums(metric)
    metric.sync(dist_sync_fn=lambda state, group: [state, state.clone()], distributed_available=lambda: True)
    assert all(torch.equal(2 * state, getattr(metric, name)) for state, name in zip(own, metric.sums, strict=True))
    metric.unsync()
    assert all(torch.equal(left, right) for left, right in zip(own, sums(metric), strict=True))
