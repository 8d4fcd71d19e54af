"""No corruption changes by accident: a score of today and one of last year mean the same."""

import json

from golden_pixels import GOLDEN, compute_digests
from scenes import CORRUPTIONS, every_corruption

from datamodules.corruptions.base import Corruption

HELD = json.loads(GOLDEN.read_text(encoding="utf-8"))


@every_corruption
def test_pixels_are_what_they_were(corruption: Corruption) -> None:
    assert compute_digests(corruption) == HELD.get(
        corruption.name, compute_digests(corruption)
    )  # a new one is held once it is written down


def test_what_is_held_is_there() -> None:
    assert HELD.keys() <= {one.name for one in CORRUPTIONS}
