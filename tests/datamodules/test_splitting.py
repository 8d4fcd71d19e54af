from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.splitting import SHARES, split_by_unit
from user_error import UserError

UNITS = st.lists(st.integers(0, 40).map(lambda number: f"patient {number}"), min_size=1, max_size=200)
WEIGHTS = st.tuples(*[st.floats(0.05, 10)] * 3).map(
    lambda three: dict(zip(("train", "val", "test"), three, strict=True))
)


@given(UNITS, WEIGHTS, st.integers(0, 5), st.randoms(use_true_random=False))
def test_units_are_whole_and_shares_are_kept(units, shares, seed, random):
    if len(set(units)) < 3:
        with pytest.raises(UserError, match="cannot be divided among the splits train, val, test"):
            split_by_unit(units, shares, seed)
        return
    found = split_by_unit(units, shares, seed)
    assert found.keys() == set(units)  # each once, so that none is in two splits
    assert set(found.values()) == {"train", "val", "test"}
    shuffled = random.sample(units, len(units))
    assert split_by_unit(shuffled, shares, seed) == found
    largest = max(Counter(units).values())
    images = Counter(found[unit] for unit in units)
    for split, share in shares.items():
        assert abs(images[split] - len(units) * share / sum(shares.values())) <= 2 * largest + 1


def test_of_images_of_their_own_each_split_has_its_share():
    names = [f"image {number}" for number in range(1000)]
    assert Counter(split_by_unit(names, SHARES).values()) == {"train": 700, "val": 100, "test": 200}


def test_a_seed_decides_and_a_split_may_be_left_out():
    names = [f"image {number}" for number in range(50)]
    first, other = (split_by_unit(names, {"train": 4, "val": 1, "test": 0}, seed) for seed in (0, 1))
    assert first != other
    assert Counter(first.values()) == Counter(other.values()) == {"train": 40, "val": 10}


def test_membership_is_stable():
    """A split is part of what a record means: it must not change between versions."""
    assert split_by_unit(list("abcdef"), {"train": 1, "val": 1, "test": 1}) == STABLE


STABLE = {"a": "val", "b": "test", "c": "test", "d": "train", "e": "train", "f": "val"}


@pytest.mark.parametrize("shares", [{"train": 0, "val": 0}, {"train": -1, "val": 2}, {"train": float("nan")}])
def test_wrong_shares(shares):
    with pytest.raises(UserError, match=r"the shares of the splits are \{train: .*: give each a number"):
        split_by_unit(["a", "b"], shares)
