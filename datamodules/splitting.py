"""Splits of images that belong together: a patient, a sequence or a case is in one split as a whole."""

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from user_error import UserError

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
"""The share of the images that each split gets where nothing else is said."""


def split_by_unit(units: Sequence[str], shares: Mapping[str, float], seed: int = 0) -> dict[str, str]:
    """Assign each unit to a split, so that the splits' numbers of images are near their shares.

    Units are taken in a random order that depends on their names and the seed alone. The first ones go to one split each,
    so that none is empty; each further one to the split that lacks most images.

    Args:
        units: the unit of each image, in any order; with every image a unit of its own, images are split.
        shares: of the images for each split; a split with the share 0 gets none. They are relative to their sum.
        seed: another one gives another split.

    Returns:
        the split of each unit.

    Raises:
        UserError: a share is negative or all are 0, or there are fewer units than splits.
    """
    require_shares(shares)
    wanted = {split: share for split, share in shares.items() if share}
    sizes = Counter(units)
    if len(sizes) < len(wanted):
        raise UserError(
            f"{len(sizes)} units (patients, sequences, ...) cannot be divided among the splits {', '.join(wanted)}: add data, "
            "or give a split the share 0"
        )
    total = sum(wanted.values())
    lacking = {split: len(units) * share / total for split, share in wanted.items()}
    first = sorted(
        wanted, key=lambda split: wanted[split]
    )  # the smallest lacks least, and would get its first unit last
    found: dict[str, str] = {}
    for place, unit in enumerate(sorted(sizes, key=lambda unit: _draw(unit, seed))):
        split = first[place] if place < len(first) else max(lacking, key=lambda one: lacking[one])
        found[unit] = split
        lacking[split] -= sizes[unit]
    return found


def require_shares(shares: Mapping[str, float]) -> None:
    """Refuse shares that are no fractions.

    Raises:
        UserError: a share is negative or no finite number, or all are 0.
    """
    wrong = {split: share for split, share in shares.items() if not 0 <= share < float("inf")}
    if wrong or not any(shares.values()):
        listed = ", ".join(f"{split}: {share:g}" for split, share in shares.items())
        raise UserError(f"the shares of the splits are {{{listed}}}: give each a number from 0 on, and one more than 0")


def _draw(unit: str, seed: int) -> tuple[bytes, str]:
    """Where a unit stands in the random order."""
    return blake2b(f"{seed}/{unit}".encode("utf-8", "surrogateescape"), digest_size=8).digest(), unit
