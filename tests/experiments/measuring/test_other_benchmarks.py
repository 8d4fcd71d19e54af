"""Every class that stands for a corruption of another benchmark exists, and every corruption has one or a reason."""

import importlib

import pytest
from scenes import EVERY

from datamodules.corruptions.base import Corruption
from experiments.measuring.other_benchmarks import Counterpart, make_counterpart_table, read_counterparts

FOUND = list(read_counterparts())


@pytest.mark.parametrize("one", FOUND, ids=lambda one: f"{one.benchmark[:8]} {one.name}")
def test_what_stands_for_it_is_a_corruption_of_a_suite(one: Counterpart) -> None:
    assert (one.ours is None) != (one.why is None)
    if one.ours is not None:
        module, _, kind = one.ours.rpartition(".")
        found = getattr(importlib.import_module(module), kind)
        assert issubclass(found, Corruption)
        assert found in {type(corruption) for corruption in EVERY}


def test_the_lists_are_complete() -> None:
    """Counted in their code: 21 of MedMNIST-C; 11 for all images, 22 for a modality, 5 for language models alone."""
    numbers = [
        sum(one.benchmark.startswith(name) for one in FOUND)
        for name in ("MedMNIST-C", "MedFM-Robust (", "MedFM-Robust, ")
    ]
    assert numbers == [21, 33, 5]
    assert make_counterpart_table().count("\n") == len(FOUND) + 2
