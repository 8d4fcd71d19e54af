"""The plan of a sweep: what is added up, against a sweep by hand."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules.batches import EvaluationBatches
from experiments.measuring.sweep_plan import (
    FEWEST,
    Measured,
    Row,
    add_up,
    choose_places,
    compute_bytes,
    find_bottlenecks,
)
from lightning_modules.metrics.sweep import SweepCounts


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 12))
def test_batches_are_those_of_a_sweep(images: int, batch_size: int, processes: int) -> None:
    (row,) = add_up(images, 3, batch_size, [processes], step=0.5)
    dealt = [len(list(EvaluationBatches(images, batch_size, rank, processes))) for rank in range(processes)]
    assert row.batches == max(dealt)
    assert row.seconds == row.batches * batch_size * 3 * 0.5
    assert row.idle == pytest.approx(1 - images / (processes * max(dealt) * batch_size))


@pytest.mark.parametrize(("seconds", "number"), [(1e-3, 76), (0.5, 15), (20.0, FEWEST)])
def test_slow_networks_are_measured_under_fewer_conditions(seconds: float, number: int) -> None:
    """Which are spread from the first to the last; a suite of few is measured as a whole."""
    found = choose_places(76, seconds, 3)
    assert len(found) == number
    assert (found[0], found[-1]) == (0, 75)
    assert max(b - a for a, b in pairwise(found)) <= 75 // (number - 1) + 1
    assert choose_places(3, seconds, 3) == [0, 1, 2]


def test_bytes_are_those_of_the_states() -> None:
    """The sums of a sweep, and what it writes down of each image, per condition."""
    found = compute_bytes(19, 3, 76, (10, 20))
    counted = SweepCounts(19, 76)
    assert found["sums"] == sum(counted._defaults[name].numel() * 8 for name in counted.sums)
    logits = torch.zeros(1, 19, 10, 20)
    one = SweepCounts(19).count(logits, logits.argmax(1), torch.zeros(1, 10, 20, dtype=torch.long), 0)
    assert found["image_counts"] == 76 * sum(part.numel() * 8 for part in one.values())
    assert found["to_device"] == 4 * 200
    assert compute_bytes(19, 3, 76, (10, 20), (30, 40))["to_device"] == 4 * (200 + 1200)


def test_where_it_chokes() -> None:
    measured = Measured(
        step=1e-3, forward_fraction=0.9, decode=0.5, file=1, start=5.0, multiply_adds=1, memory=1, conditions=1
    )
    rows = [Row(1, 10, 60.0, 0.0), Row(8, 2, 4.0, 0.4), Row(2, 5, 5000.0, 0.1)]
    reasons = find_bottlenecks(rows, measured, images=80, batch_size=8, workers=1)
    assert [line.split(" ")[0] for line in reasons] == ["8", "8", "8"]
    assert "decoding takes 8 s" in reasons[0]
    assert "share 10 batches of 8, and wait 40%" in reasons[1]
    assert "longer to start (5 s)" in reasons[2]
    assert not find_bottlenecks(rows[2:], measured, images=80, batch_size=8, workers=1)
