"""Blocks of units that follow each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.evaluation.blocks import (
    Blocks,
    find_block_length,
    make_blocks,
    make_independent,
    order_sequences,
)
from experiments.evaluation.jackknife import jackknife_interval
from experiments.evaluation.scores.ratios import Ratio
from experiments.evaluation.statistics import bootstrap, jackknife, permutation_test

SEQUENCES = st.lists(st.integers(1, 12), min_size=1, max_size=4).map(tuple)


def list_members(blocks: Blocks) -> np.ndarray:
    """Whether each unit (columns) is in the block that begins at each unit (rows), one by one."""
    found, at = np.zeros((blocks.number, blocks.number), dtype=np.int64), 0
    for units in blocks.sequences:
        for start in range(units):
            for step in range(min(blocks.length, units)):
                found[at + start, at + (start + step) % units] += 1
        at += units
    return found


@given(SEQUENCES, st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_sums_and_draws_are_those_of_the_members(sequences: tuple[int, ...], length: int, seed: int) -> None:
    blocks = Blocks(sequences, length)
    members, rng = list_members(blocks), np.random.default_rng(seed)
    part = rng.integers(0, 1000, (blocks.number, 3, 2))
    np.testing.assert_array_equal(blocks.sum_blocks(part), np.tensordot(members, part, 1))
    starts = rng.integers(0, 5, (4, blocks.number))
    np.testing.assert_array_equal(blocks.count_units(starts), starts @ members)
    np.testing.assert_array_equal(blocks.own_lengths, members.sum(1))


def test_blocks_of_one_are_independent_units() -> None:
    """To the last bit: the draws of committed records must stay what they were."""
    rng = np.random.default_rng(3)
    ratio = Ratio(rng.integers(0, 9, (30, 2, 2)), rng.integers(9, 20, (30, 2, 2)))
    random = np.random.Generator(np.random.PCG64(7))
    drawn = random.multinomial(30, np.full(30, 1 / 30), size=100)
    wanted = np.tensordot(drawn, ratio.numerator, 1) / np.tensordot(drawn, ratio.denominator, 1)
    np.testing.assert_array_equal(bootstrap(ratio, 100, 7), wanted.mean(-1))
    np.testing.assert_array_equal(jackknife(ratio), jackknife(ratio, make_independent(30)))


def test_as_many_units_are_drawn_as_there_are_and_all_equally_often() -> None:
    blocks = Blocks((50, 7, 10), 10)
    drawn = blocks.draw(20_000, 100, 0)
    assert drawn.sum(1).mean() == pytest.approx(67, rel=0.01)
    np.testing.assert_allclose(drawn.mean(0), 1, rtol=0.06)


def test_neighbours_are_swapped_together() -> None:
    swaps = Blocks((40, 3), 8).draw_swaps(4000, np.random.default_rng(0))
    np.testing.assert_allclose(swaps.mean(0), 0.5, atol=0.05)
    same = [(swaps[:, 10] == swaps[:, 10 + lag]).mean() for lag in range(12)]
    wanted = [1 - 0.5 * min(lag / 8, 1) for lag in range(12)]  # two units of one block have one coin
    np.testing.assert_allclose(same, wanted, atol=0.04)
    assert (swaps[:, 40] == swaps[:, 42]).mean() > 0.6  # a sequence shorter than a block


def test_they_count_as_a_triangular_window_does() -> None:
    """For independent values, the blocks' estimate of a variance varies as one of so many squares."""
    blocks, rng = Blocks((600,), 20), np.random.default_rng(1)
    found = [(blocks.sum_blocks(rng.normal(size=600)) ** 2).mean() / 20 for _ in range(2000)]
    assert 2 / np.var(found) == pytest.approx(blocks.effective_number, rel=0.1)
    assert make_independent(30).effective_number == 30
    assert Blocks((5, 5, 5), 9).effective_number == 3


def test_the_length_follows_from_the_number_alone() -> None:
    assert (find_block_length(233), find_block_length(100), find_block_length(1)) == (25, 16, 2)
    assert make_blocks([62, 171]) == Blocks((62, 171), 25)
    assert make_blocks([10] * 8).are_whole_sequences  # so that 8 videos are as few as 8 patients
    assert not make_blocks([62, 171]).are_whole_sequences


def test_units_are_ordered_by_sequence_and_place() -> None:
    order, sequences = order_sequences(["b", "a", "b", "a", "b"], [10, 2, 9, 1, 11])
    assert (order.tolist(), sequences) == ([3, 1, 2, 0, 4], [2, 3])


def test_errors_of_alike_neighbours_are_no_evidence() -> None:
    """Two networks that differ by a slow drift alone: units for themselves find a difference far too often."""
    false = {"units": 0, "blocks": 0}
    holds = {"units": 0, "blocks": 0}
    for seed in range(150):
        rng = np.random.default_rng(seed)
        drift = np.zeros(120)
        for at in range(1, 120):
            drift[at] = 0.7 * drift[at - 1] + rng.normal()
        one, other = (Ratio((100 + sign * 5 * drift)[:, None, None], np.full((120, 1, 1), 200.0)) for sign in (-1, 1))

        def measure(scores: np.ndarray) -> dict[str, np.ndarray]:
            return {"score": scores[..., 0]}

        for name, blocks in (("units", None), ("blocks", make_blocks([120]))):
            false[name] += permutation_test(one, other, measure, 199, seed, blocks)["score"] <= 0.05
            left_out = jackknife(other, blocks)[:, 0] - jackknife(one, blocks)[:, 0]
            estimate = float((other.numerator.sum() - one.numerator.sum()) / other.denominator.sum())
            low, high = jackknife_interval(estimate, left_out, blocks=blocks)
            holds[name] += low <= 0 <= high
    assert false["units"] > 40
    assert false["blocks"] <= 18
    assert holds["units"] < 115
    assert holds["blocks"] >= 135
