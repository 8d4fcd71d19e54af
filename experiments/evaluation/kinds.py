"""The kinds of conditions: each has its own mean, and none enters another's."""

from collections.abc import Mapping, Sequence
from typing import Any

CLEAN = "clean"
SHIFT = "shift"
CORRUPTION = "corruption"
MODALITY = "modality"
ATTACK = "attack"

SINGLE = (CLEAN, SHIFT)
"""Kinds of which every condition stands for itself: they have no mean."""

OF_FAMILIES = {"shift": SHIFT, "modality": MODALITY, "attack": ATTACK}
"""Kinds of families, where a manifest does not state a kind: those before there were kinds."""

REAL_SHIFTS = "real_shifts"
"""Name of the suite of the shifts that data state, one for each data set."""


def find_kind(entry: Mapping[str, Any]) -> str:
    """The kind of a condition by its entry in a manifest, which states it unless it follows from name and family."""
    stated = entry.get("kind")
    if isinstance(stated, str):
        return stated
    if entry.get("corruption") == CLEAN:
        return CLEAN
    return OF_FAMILIES.get(str(entry.get("family")), CORRUPTION)


def find_main_kind(kinds: Sequence[str]) -> str:
    """The kind that the headline mean of a suite is of: corruptions, or what it has in their place."""
    of_means = [kind for kind in kinds if kind not in SINGLE]
    return CORRUPTION if CORRUPTION in of_means or not of_means else of_means[0]
